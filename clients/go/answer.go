package fieldgate

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// result makes of an answer the value in it, or an *APIError.
func result[T any](resp *http.Response, err error) (T, error) {
	if err := refusal(resp, err); err != nil {
		var none T
		return none, err
	}
	return decode[T](resp)
}

// noContent makes of an answer without a value nothing, or an *APIError.
func noContent(resp *http.Response, err error) error { return refusal(resp, err) }

// refusal gives the error in an answer, none if it is a success.
func refusal(resp *http.Response, err error) error {
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return redirected(resp)
	case mediaType(resp) != problemType:
		return stranger(resp)
	}
	return problem(resp)
}

// decode reads the value of an answer.
func decode[T any](resp *http.Response) (T, error) {
	var value, none T
	if mediaType(resp) != jsonType {
		return none, stranger(resp)
	}
	if err := read(resp, &value); err != nil {
		return none, unreadable(resp, "the answer is not valid JSON", err)
	}
	return value, nil
}

func read(resp *http.Response, into any) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func mediaType(resp *http.Response) string {
	name, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return name
}

// problem reads the problem document of an answer.
func problem(resp *http.Response) error {
	e := newAPIError(resp)
	if err := read(resp, &e.Problem); err != nil {
		return unreadable(resp, "the problem document is not valid JSON", err)
	}
	e.complete(resp)
	return e
}

// stranger is the error of an answer that only something else than the gateway gives.
func stranger(resp *http.Response) error {
	got := mediaType(resp)
	if got == "" {
		got = "of no known type"
	}
	return unreadable(resp, "the answer is "+got+": it comes from something on the way to the gateway, or the base URL is wrong", nil)
}

func redirected(resp *http.Response) error {
	host := "another address"
	if location, err := resp.Location(); err == nil {
		host = location.Scheme + "://" + location.Host
	}
	return unreadable(resp, "redirects are not followed: if the gateway is at "+host+", correct the base URL", nil)
}
