package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lucia-go/lucia"
)

// Device is a session on the page of devices.
type Device struct {
	lucia.Device
	// ActorName is the name of who acts as the user, or empty.
	ActorName string
}

// Devices completes a list of sessions with the names of those who act as the user.
func (s *Site) Devices(ctx context.Context, sessions []lucia.Device) ([]Device, error) {
	list := make([]Device, 0, len(sessions))
	for _, d := range sessions {
		device := Device{Device: d}
		if d.ActorID != "" {
			actor, err := s.users.ByID(ctx, d.ActorID)
			switch {
			case err == nil:
				device.ActorName = actor.Username
			case errors.Is(err, lucia.ErrUserNotFound):
				device.ActorName = "Someone whose account is gone"
			default:
				return nil, err
			}
		}
		list = append(list, device)
	}
	return list, nil
}

// DeviceToEnd reads the form that ends sessions: one of them, or all others than that of the
// request. The session is that of the form's hidden field.
func DeviceToEnd(r *http.Request, session *lucia.Session[Profile]) (id lucia.ID, others bool, err error) {
	if session.Actor != nil {
		return id, false, errActing
	}
	if r.PostFormValue("others") == "1" {
		return id, true, nil
	}
	if id, err = lucia.ParseID(r.PostFormValue("id")); err != nil {
		return id, false, errForm
	}
	return id, false, nil
}

// Name is what the page calls the device.
func (d Device) Name() string {
	if d.Label == "" {
		return "Unknown browser"
	}
	return d.Label
}

// Network is the prefix of the device's address. The library keeps no prefix for addresses of this
// machine.
func (d Device) Network() string {
	if !d.Address.IsValid() {
		return "not known"
	}
	return d.Address.String()
}

// BoundText says whether the session is bound to a key of the device.
func (d Device) BoundText() string {
	if d.Bound {
		return "yes"
	}
	return "no"
}

// EndText is the text of the button that ends the session.
func (d Device) EndText() string {
	if d.Current {
		return "Sign out here"
	}
	return "End"
}

// EndLabel distinguishes the buttons of the page for screen readers.
func (d Device) EndLabel() string {
	return fmt.Sprintf("%s: %s, began %s", d.EndText(), d.Name(), Ago(d.Began))
}

// Stamp formats a time for programs.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Ago says how long ago t was.
func Ago(t time.Time) string {
	const day = 24 * time.Hour
	count := func(n time.Duration, unit string) string {
		if n == 1 {
			return "1 " + unit + " ago"
		}
		return fmt.Sprintf("%d %ss ago", n, unit)
	}
	switch ago := time.Since(t); {
	case t.IsZero():
		return "a long time ago"
	case ago < time.Minute:
		return "a moment ago"
	case ago < time.Hour:
		return count(ago/time.Minute, "minute")
	case ago < day:
		return count(ago/time.Hour, "hour")
	default:
		return count(ago/day, "day")
	}
}
