package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// contract validates every request against openapi.yaml before a handler sees it.
type contract struct {
	operations     map[route]*operation
	authenticators map[string]Authenticator
	authorize      func(ctx context.Context, leastRole string) error
	rateLimit      func(ctx context.Context, operationID string, cost int) error
	confirm        func(ctx context.Context, token string, err error) error
	origins        origins
	validator      *validator
	bodies         *Budget
}

func newContract(document *openapi3.T, config Config, origins origins) (*contract, error) {
	operations, err := index(document, config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	c := &contract{
		operations:     operations,
		authenticators: config.Authenticators,
		authorize:      config.Authorize,
		rateLimit:      config.RateLimit,
		confirm:        config.Confirm,
		origins:        origins,
		validator:      newValidator(config.BodyTimes),
		bodies:         config.Held,
	}
	return c, c.checkGuards()
}

// checkGuards returns an error if an operation needs a function that is not configured.
func (c *contract) checkGuards() error {
	for _, op := range c.operations {
		if op.scheme != "" && c.authenticators[op.scheme] == nil {
			return fmt.Errorf("%s needs an authenticator for %s", op.id, op.scheme)
		}
		if op.leastRole != "" && c.authorize == nil {
			return fmt.Errorf("%s needs Authorize for its least role", op.id)
		}
	}
	return nil
}

// operationID returns the operationId for a method and pattern, or "" if the contract has no
// such operation.
func (c *contract) operationID(method, pattern string) string {
	if op := c.operations[route{method, pattern}]; op != nil {
		return op.id
	}
	return ""
}

func (c *contract) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := &share{budget: c.bodies}
		defer held.free()
		admitted, err := c.admit(w, r, held)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, admitted)
	})
}

// admit checks a request and returns it in the form that the handler receives. The returned
// request has the principal in its context and the defaults of its parameters. Its body is the
// validated value. The size of the body is added to held, the request's share of the budget. The
// package comment lists the checks in order.
func (c *contract) admit(w http.ResponseWriter, r *http.Request, held *share) (*http.Request, error) {
	op := c.operations[route{r.Method, r.Pattern}]
	if op == nil {
		return nil, fmt.Errorf("the contract has no %s %s", r.Method, r.Pattern)
	}
	info := request.Of(r.Context())
	info.Operation, info.Cost = op.id, op.cost
	if len(r.TransferEncoding) > 0 {
		// A request with a Transfer-Encoding may also have had a Content-Length, which net/http
		// drops. Its connection must close after the response (RFC 9112, section 6.1).
		w.Header().Set("Connection", "close")
	}
	if op.socket {
		if err := c.checkHandshake(r, op); err != nil {
			return nil, err
		}
	}
	ctx, err := c.authenticate(r, op)
	if err != nil {
		return nil, err
	}
	if c.rateLimit != nil {
		if err := c.rateLimit(ctx, op.id, op.cost); err != nil {
			return nil, err
		}
	}
	r = r.WithContext(ctx)
	info.HTTP = r
	held.holder = holderOf(info)
	if err := c.validator.check(w, r, op, held); err != nil {
		return nil, c.confirmed(r, err)
	}
	return r, nil
}

// refuse sends the problem document for the error of an admitted request.
func (c *contract) refuse(w http.ResponseWriter, r *http.Request, err error) {
	problem.Write(w, r, c.confirmed(r, err))
}

// confirmed returns the error to send for a request that was authenticated and then refused.
func (c *contract) confirmed(r *http.Request, err error) error {
	token, headerErr := bearerToken(r.Header)
	if headerErr != nil {
		return err // the operation needs no credential
	}
	return c.confirm(r.Context(), token, err)
}

// holderOf returns the name under which the budget counts a body: the tenant, or the network of
// a caller that has no tenant.
func holderOf(info *request.Info) string {
	if info.Tenant != "" {
		return tenantHolder(info.Tenant)
	}
	return "address " + info.Addr.String()
}

// authenticate authenticates the caller and checks the role. It reads only the headers, so that
// a caller without credentials cannot make the gateway read a body.
func (c *contract) authenticate(r *http.Request, op *operation) (context.Context, error) {
	if op.scheme == "" {
		return r.Context(), nil
	}
	token, err := bearerToken(r.Header)
	if err != nil {
		return nil, err
	}
	ctx, err := c.authenticators[op.scheme](r.Context(), token)
	if err != nil {
		return nil, err
	}
	if op.leastRole != "" {
		if err := c.authorize(ctx, op.leastRole); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}

// bearerToken returns the token in the Authorization header (RFC 6750, section 2.1). It refuses
// a request with two such headers.
func bearerToken(header http.Header) (string, error) {
	values := header["Authorization"]
	if len(values) == 1 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if token = strings.TrimSpace(token); token != "" && strings.EqualFold(scheme, "Bearer") {
			return token, nil
		}
	}
	refused := fieldgate.Refuse(fieldgate.CodeUnauthorized, "The request has no valid bearer token: send one in the Authorization header.")
	refused.Reason = fieldgate.ReasonBadHeader
	if len(values) == 0 {
		refused.Reason = fieldgate.ReasonNoToken
	}
	return "", refused
}
