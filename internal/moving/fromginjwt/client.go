package fromginjwt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/internal/moving/people"
	"github.com/lucia-go/lucia/session"
)

// SignIn signs a Go program in to the API, whose login takes JSON.
func SignIn(ctx context.Context, c *client.Client[people.Profile], loginURL string, in Credentials) (*session.Session[people.Profile], error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTPClient().Post(loginURL, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("sign in: %s", resp.Status)
	}
	return c.FetchSession(ctx)
}
