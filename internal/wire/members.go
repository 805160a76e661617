package wire

import (
	"encoding/json"
	"fmt"
)

// Members decodes the members of a JSON object that fields names, each into its pointer. Names
// are case-sensitive, unlike in encoding/json, as in the browser module, so that the same answers
// end a session on both sides. The variable of a missing member keeps its value. null has no
// members.
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
