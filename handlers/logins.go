package handlers

import (
	"context"
	"maps"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
)

// RegisterDevice exchanges an activation code for a device's secret.
func (s *Server) RegisterDevice(ctx context.Context, r generated.RegisterDeviceRequestObject) (generated.RegisterDeviceResponseObject, error) {
	registered, err := s.devices.Register(ctx, registrationFrom(ctx, r))
	if fieldgate.CodeOf(err) == fieldgate.CodeInvalidActivationCode {
		s.wrongCode(ctx)
	}
	if err != nil {
		return nil, err
	}
	return registeredResponse(registered), nil
}

func registrationFrom(ctx context.Context, r generated.RegisterDeviceRequestObject) device.Registration {
	return device.Registration{
		Code: r.Body.ActivationCode, DeviceID: r.Body.DeviceID, Metadata: metadataFrom(r.Body.Metadata),
		Addr: request.Addr(ctx).String(), RequestID: request.ID(ctx), IdempotencyKey: value(r.Params.IdempotencyKey),
	}
}

func registeredResponse(d device.Registered) generated.RegisterDevice201JSONResponse {
	return generated.RegisterDevice201JSONResponse{
		Body: generated.RegisteredDevice{
			DeviceID: d.DeviceID, DeviceSecret: d.Secret, RegisteredAt: fieldgate.At(d.RegisteredAt),
		},
		Headers: generated.RegisterDevice201ResponseHeaders{Location: devicesPath + d.DeviceID},
	}
}

// AuthenticateDevice opens a login of a device.
func (s *Server) AuthenticateDevice(ctx context.Context, r generated.AuthenticateDeviceRequestObject) (generated.AuthenticateDeviceResponseObject, error) {
	login, err := s.devices.Login(ctx, credentialsFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.AuthenticateDevice200JSONResponse(loginOf(login)), nil
}

func credentialsFrom(ctx context.Context, r generated.AuthenticateDeviceRequestObject) device.Credentials {
	return device.Credentials{
		DeviceID: r.Body.DeviceID, Secret: r.Body.DeviceSecret, InstanceID: r.Body.InstanceID,
		Addr: request.Addr(ctx).String(), RequestID: request.ID(ctx),
	}
}

func loginOf(l device.Login) generated.DeviceLogin {
	return generated.DeviceLogin{
		DeviceID: l.DeviceID, Token: l.Token,
		ExpiresInSeconds: int(l.ExpiresIn.Seconds()), ExpiresAt: fieldgate.At(l.ExpiresAt),
	}
}

// EndDeviceLogin ends the login whose token the request carries.
func (s *Server) EndDeviceLogin(ctx context.Context, _ generated.EndDeviceLoginRequestObject) (generated.EndDeviceLoginResponseObject, error) {
	if err := s.devices.Logout(ctx, bearerToken(ctx)); err != nil {
		return nil, err
	}
	return generated.EndDeviceLogin204Response{}, nil
}

// bearerToken returns the token in the Authorization header of the HTTP request.
func bearerToken(ctx context.Context) string {
	_, token, _ := strings.Cut(request.HTTP(ctx).Header.Get("Authorization"), " ")
	return strings.TrimSpace(token)
}

// SendHeartbeat records a heartbeat. The reply contains what the device has to do.
func (s *Server) SendHeartbeat(ctx context.Context, r generated.SendHeartbeatRequestObject) (generated.SendHeartbeatResponseObject, error) {
	reply, err := s.devices.Heartbeat(ctx, heartbeatFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.SendHeartbeat200JSONResponse(heartbeatReplyOf(reply)), nil
}

func heartbeatFrom(ctx context.Context, r generated.SendHeartbeatRequestObject) device.Heartbeat {
	p, _ := device.FromContext(ctx)
	return device.Heartbeat{
		Device: p.Device(), Login: p.Login, RequestID: request.ID(ctx), Status: string(r.Body.Status), Reason: r.Body.Reason,
		Metrics: r.Body.Metrics, FirmwareVersion: r.Body.FirmwareVersion,
	}
}

func heartbeatReplyOf(p device.HeartbeatReply) generated.HeartbeatReply {
	reply := generated.HeartbeatReply{
		ServerTime: fieldgate.At(p.ServerTime), NextHeartbeatMs: int(p.NextIn.Milliseconds()),
		PendingCommands: int(p.Ready), CancelRequested: p.CancelRequested,
	}
	if reply.CancelRequested == nil {
		reply.CancelRequested = []string{}
	}
	return reply
}

// metadataFrom returns a device's metadata as one map. Empty values are left out.
func metadataFrom(m generated.DeviceMetadata) map[string]string {
	all := map[string]string{}
	maps.Copy(all, m.AdditionalProperties)
	for name, text := range map[string]string{
		"model": m.Model, "firmwareVersion": m.FirmwareVersion, "serialNumber": m.SerialNumber,
	} {
		if text != "" {
			all[name] = text
		}
	}
	return all
}
