package wire

import (
	"encoding/json"
	"fmt"
)

// Members decodes the members of a JSON object that fields names, each into its
// pointer. Unlike encoding/json it takes no "Message" for a "message": the browser
// module does not either, and what ends a session must end it on both sides. A
// member that is missing leaves its variable alone, and null has no members.
func Members(data []byte, fields map[string]any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	for name, into := range fields {
		if value, ok := members[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}
