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
	registered, err := s.devices.Register(ctx, device.Registration{
		Code: r.Body.ActivationCode, DeviceID: r.Body.DeviceID, Metadata: metadataOf(r.Body.Metadata),
		Addr: request.Addr(ctx).String(), RequestID: request.ID(ctx), IdempotencyKey: value(r.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return generated.RegisterDevice201JSONResponse{
		Body: generated.RegisteredDevice{
			DeviceID: registered.DeviceID, DeviceSecret: registered.Secret, RegisteredAt: fieldgate.At(registered.RegisteredAt),
		},
		Headers: generated.RegisterDevice201ResponseHeaders{Location: devicesPath + registered.DeviceID},
	}, nil
}

// AuthenticateDevice opens a login session.
func (s *Server) AuthenticateDevice(ctx context.Context, r generated.AuthenticateDeviceRequestObject) (generated.AuthenticateDeviceResponseObject, error) {
	login, err := s.devices.Login(ctx, device.Credentials{DeviceID: r.Body.DeviceID, Secret: r.Body.DeviceSecret})
	if err != nil {
		return nil, err
	}
	return generated.AuthenticateDevice200JSONResponse{
		DeviceID: login.DeviceID, Token: login.Token,
		ExpiresInSeconds: int(login.ExpiresIn.Seconds()), ExpiresAt: fieldgate.At(login.ExpiresAt),
	}, nil
}

// EndDeviceLogin ends the login that the request was made with.
func (s *Server) EndDeviceLogin(ctx context.Context, _ generated.EndDeviceLoginRequestObject) (generated.EndDeviceLoginResponseObject, error) {
	_, token, _ := strings.Cut(request.HTTP(ctx).Header.Get("Authorization"), " ")
	if err := s.devices.Logout(ctx, strings.TrimSpace(token)); err != nil {
		return nil, err
	}
	return generated.EndDeviceLogin204Response{}, nil
}

// SendHeartbeat notes that a device is there, and tells it what waits.
func (s *Server) SendHeartbeat(ctx context.Context, r generated.SendHeartbeatRequestObject) (generated.SendHeartbeatResponseObject, error) {
	pulse, err := s.devices.Heartbeat(ctx, device.Heartbeat{
		Device: callingDevice(ctx), RequestID: request.ID(ctx), Status: string(r.Body.Status),
		Metrics: r.Body.Metrics, FirmwareVersion: r.Body.FirmwareVersion,
	})
	if err != nil {
		return nil, err
	}
	cancels := pulse.CancelRequested
	if cancels == nil {
		cancels = []string{}
	}
	return generated.SendHeartbeat200JSONResponse{
		ServerTime: fieldgate.At(pulse.ServerTime), NextHeartbeatMs: int(pulse.NextIn.Milliseconds()),
		PendingCommands: int(pulse.Ready), CancelRequested: cancels,
	}, nil
}

// metadataOf gathers what a device says of itself.
func metadataOf(m generated.DeviceMetadata) map[string]string {
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
