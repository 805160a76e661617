package sqlstore

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lucia-go/lucia/session"
)

// userText returns a user id as the table stores it. A database's text can hold neither zero bytes
// nor invalid UTF-8, so these are escaped, and backslashes are doubled. All other text is
// unchanged. Different ids have different forms.
func userText(id string) string {
	if utf8.ValidString(id) && !strings.ContainsAny(id, "\\\x00") {
		return id
	}
	var b strings.Builder
	for i := 0; i < len(id); {
		r, size := utf8.DecodeRuneInString(id[i:])
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == 0, r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, id[i])
		default:
			b.WriteString(id[i : i+size])
		}
		i += size
	}
	return b.String()
}

// row is a record as the database gives it.
type row struct {
	now      int64
	readOnly bool
	id       string
	values   [5]int64
	// texts are the label, the address and the actor.
	texts [3]string
}

// scan returns the destinations for the columns of a record.
func (r *row) scan() []any {
	v := &r.values
	return []any{&v[0], &v[1], &v[2], &v[3], &v[4]}
}

// record converts the row to a record. It returns the zero Record if there is no row.
func (r *row) record() (session.Record, error) {
	v := r.values
	if v[0] < 0 || v[0] > math.MaxUint32 {
		return session.Record{}, fmt.Errorf("%w: generation %d", ErrRecord, v[0])
	}
	return session.Record{
		Generation: session.Generation(v[0]),
		IssuedAt:   session.Instant(v[1]), ConfirmedAt: session.Instant(v[2]),
		CreatedAt: session.Instant(v[3]), ExpiresAt: session.Instant(v[4]),
	}, nil
}

// fields returns the values of a record's columns.
func fields(r session.Record) []any {
	return []any{int64(r.Generation), int64(r.IssuedAt), int64(r.ConfirmedAt), int64(r.CreatedAt), int64(r.ExpiresAt)}
}

// scanDetails returns the destinations for the columns of the details.
func (r *row) scanDetails() []any { return []any{&r.texts[0], &r.texts[1], &r.texts[2]} }

// details converts the row to details. It leaves out what this package would not have written, so
// that the session is still listed.
func (r *row) details() session.Details {
	d := session.Details{Label: userID(r.texts[0]), ActorID: userID(r.texts[2])}
	if len(d.Label) > session.MaxLabelBytes || !utf8.ValidString(d.Label) {
		d.Label = ""
	}
	if p, err := netip.ParsePrefix(r.texts[1]); err == nil && p.String() == r.texts[1] {
		d.Address = p
	}
	return d
}

// detailFields returns the values of the columns of the details.
func detailFields(d session.Details) []any {
	address := ""
	if d.Address.IsValid() {
		address = d.Address.String()
	}
	return []any{userText(d.Label), address, userText(d.ActorID)}
}

// userID is the inverse of userText. It returns "" for a text that userText does not return.
func userID(text string) string {
	id := text
	if strings.Contains(text, `\`) {
		id = unescape(text)
	}
	if userText(id) != text {
		return ""
	}
	return id
}

func unescape(text string) string {
	var b strings.Builder
	for rest := text; ; {
		plain, escaped, found := strings.Cut(rest, `\`)
		b.WriteString(plain)
		switch {
		case !found:
			return b.String()
		case len(escaped) >= 3 && escaped[0] == 'x':
			n, _ := strconv.ParseUint(escaped[1:3], 16, 8)
			b.WriteByte(byte(n))
			rest = escaped[3:]
		default:
			b.WriteByte('\\')
			rest = strings.TrimPrefix(escaped, `\`)
		}
	}
}
