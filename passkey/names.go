package passkey

import "encoding/json"

// areNamesValid reads a value of d, and reports whether it is valid JSON whose names are valid. For each object
// it calls begin, and the function that begin returns with the name of each member in turn.
func areNamesValid(d *json.Decoder, begin func() (isValid func(name string) bool)) bool {
	start, err := d.Token()
	if err != nil {
		return false
	}
	isObject := start == json.Delim('{')
	if !isObject && start != json.Delim('[') {
		return true
	}
	for isValid := begin(); d.More(); {
		if isObject {
			token, err := d.Token()
			if name, _ := token.(string); err != nil || !isValid(name) {
				return false
			}
		}
		if !areNamesValid(d, begin) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}
