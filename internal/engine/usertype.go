package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// checkUserType refuses a U whose values can never stand beside user_id in a
// JSON object. What depends on the value is checked when a token is made.
func checkUserType[U any]() error {
	t := reflect.TypeFor[U]()
	sample, known := sampleOf(t)
	if !known {
		return nil
	}
	data, err := json.Marshal(sample)
	if err != nil {
		return fmt.Errorf("session: user data of type %v does not marshal: %w", t, err)
	}
	if _, err := (User[json.RawMessage]{Data: data}).MarshalJSON(); err != nil {
		return fmt.Errorf("%w (of type %v)", err, t)
	}
	if field, ok := fieldNamedUserID(t, nil); ok {
		return fmt.Errorf("session: user data of type %v has a field %s that reads as user_id, the session's own", t, field)
	}
	return nil
}

// sampleOf returns a value of t that shows what t marshals to; false where only
// a value at run time can show it.
func sampleOf(t reflect.Type) (any, bool) {
	switch t.Kind() {
	case reflect.Interface:
		return nil, false
	case reflect.Pointer:
		return reflect.New(t.Elem()).Interface(), t.Elem().Kind() != reflect.Interface
	case reflect.Map:
		return reflect.MakeMap(t).Interface(), true
	}
	return reflect.Zero(t).Interface(), true
}

// fieldNamedUserID finds a field that encoding/json would read user_id into,
// however it is tagged: an omitempty field does not show in a sample.
func fieldNamedUserID(t reflect.Type, seen []reflect.Type) (string, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	marshaler := reflect.TypeFor[json.Marshaler]()
	if t.Kind() != reflect.Struct || t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler) {
		return "", false
	}
	for _, s := range seen {
		if s == t {
			return "", false
		}
	}
	seen = append(seen, t)
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if name == "" && f.Anonymous {
			if found, ok := fieldNamedUserID(f.Type, seen); ok {
				return f.Name + "." + found, true
			}
			continue
		}
		if name == "" {
			name = f.Name
		}
		if strings.EqualFold(name, "user_id") {
			return f.Name, true
		}
	}
	return "", false
}
