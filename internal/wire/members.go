package wire

import (
	"encoding/json"
	"fmt"
)

// Members decodes the members of a JSON object that fields names, each into its pointer. Names are
// case-sensitive, as in the browser module and unlike in encoding/json, so that the same answers
// end a session in both clients. The variable of a missing member keeps its value. null has no
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
