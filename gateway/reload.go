package gateway

import (
	"errors"
	"log/slog"
)

// Reloaded are the settings that can change while the gateway runs. See Config for their meaning.
type Reloaded struct {
	LogLevel           slog.Level
	AdminToken         string
	JWTSecret          string
	PreviousJWTSecrets []string
}

// Reload applies settings, and reads the certificate of the API again. If a setting is not valid,
// nothing changes. Requests and sockets in progress are not interrupted. Tokens that are signed with a
// secret that is no longer configured are refused from the next request on.
func (g *Gateway) Reload(r Reloaded) error {
	next := g.cfg
	next.AdminToken, next.JWTSecret, next.PreviousJWTSecrets = r.AdminToken, r.JWTSecret, r.PreviousJWTSecrets
	switch {
	case g.cfg.AdminToken != "" && next.AdminToken == "":
		return errors.New("FIELDGATE_ADMIN_TOKEN is empty: it can be replaced and not removed while the gateway runs")
	case (g.cfg.JWTSecret == "") != (next.JWTSecret == ""):
		return errors.New("FIELDGATE_JWT_SECRET can be replaced, but neither added nor removed, while the gateway runs: restart it")
	}
	if err := errors.Join(next.checkTexts(), next.checkAdmin(), next.checkJWTSecrets()); err != nil {
		return err
	}
	g.cfg.LogLevel.Set(r.LogLevel)
	g.adminToken.Set(next.AdminToken)
	g.verifier.ReplaceSecrets([]byte(next.JWTSecret), previousJWTSecrets(next))
	if g.certificate != nil {
		g.certificate.Reload()
	}
	return nil
}
