package fieldgate

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

const (
	jsonType    = "application/json"
	joseType    = "application/jose"
	problemType = "application/problem+json"
)

// decode decodes the body of a response, or returns an *APIError. Its parameters are the return
// values of the method that sent the request.
func decode[T any](resp *http.Response, err error) (T, error) {
	if err := check(resp, err); err != nil {
		var zero T
		return zero, err
	}
	return decodeBody[T](resp)
}

// check returns err if err is not nil. Otherwise it returns the error that the response
// describes, or nil if the status is a success.
func check(resp *http.Response, err error) error {
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return redirectError(resp)
	case mediaType(resp) != problemType:
		return mediaTypeError(resp)
	}
	return problemError(resp)
}

// decodeBody decodes the body of a response, whatever the status.
func decodeBody[T any](resp *http.Response) (T, error) {
	var value, zero T
	if mediaType(resp) != jsonType {
		return zero, mediaTypeError(resp)
	}
	if err := unmarshalBody(resp, &value); err != nil {
		return zero, responseError(resp, "the response is not valid JSON", err)
	}
	return value, nil
}

func unmarshalBody(resp *http.Response, into any) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// mediaType returns the media type of a response without its parameters. It returns "" if the
// Content-Type is missing or invalid.
func mediaType(resp *http.Response) string {
	name, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return name
}

// problemError returns the error that a problem document describes.
func problemError(resp *http.Response) error {
	e := newAPIError(resp)
	if err := unmarshalBody(resp, &e.Problem); err != nil {
		return responseError(resp, "the problem document is not valid JSON", err)
	}
	e.complete(resp)
	return e
}

// mediaTypeError returns the error for a response with an unexpected media type.
func mediaTypeError(resp *http.Response) error {
	got := mediaType(resp)
	if got == "" {
		got = "of no known type"
	}
	return responseError(resp, "the response is "+got+": it comes from a proxy or a balancer, or the base URL is wrong", nil)
}

func redirectError(resp *http.Response) error {
	host := "another address"
	if location, err := resp.Location(); err == nil {
		host = location.Scheme + "://" + location.Host
	}
	return responseError(resp, "redirects are not followed: if the gateway is at "+host+", correct the base URL", nil)
}
