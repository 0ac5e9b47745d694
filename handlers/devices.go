package handlers

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
)

// ProvisionDevice makes a device and the code that activates it.
func (s *Server) ProvisionDevice(ctx context.Context, r generated.ProvisionDeviceRequestObject) (generated.ProvisionDeviceResponseObject, error) {
	made, activation, err := s.devices.Provision(ctx, device.Provisioning{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		Name: r.Body.Name, ExternalID: r.Body.ExternalID, Location: r.Body.Location, Tags: r.Body.Tags,
		IdempotencyKey: value(r.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return generated.ProvisionDevice201JSONResponse{
		Body: generated.ProvisionedDevice{
			Device: deviceOf(made), ActivationCode: activation.Code, ActivationExpiresAt: fieldgate.At(activation.ExpiresAt),
			Instructions: instructions(activation),
		},
		Headers: generated.ProvisionDevice201ResponseHeaders{Location: devicesPath + made.ID},
	}, nil
}

func instructions(a device.Activation) string {
	return fmt.Sprintf("Give the code %s to the device before %s. The device sends it once to POST /api/v1/device/register and gets its secret.",
		a.Code, a.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"))
}

// ListDevices lists devices, the newest first.
func (s *Server) ListDevices(ctx context.Context, r generated.ListDevicesRequestObject) (generated.ListDevicesResponseObject, error) {
	filter := device.Filter{Status: device.Status(value(r.Params.Status)), Tag: value(r.Params.Tag), Query: value(r.Params.Q)}
	list, next, err := s.devices.List(ctx, userPrincipal(ctx).Tenant, filter, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return generated.ListDevices200JSONResponse{Items: convert(list, deviceOf), NextCursor: next}, nil
}

// GetDevice reads a device with what it does now.
func (s *Server) GetDevice(ctx context.Context, r generated.GetDeviceRequestObject) (generated.GetDeviceResponseObject, error) {
	found, err := s.devices.Get(ctx, userPrincipal(ctx).Tenant, r.DeviceID)
	if err != nil {
		return nil, err
	}
	return generated.GetDevice200JSONResponse(wholeDeviceOf(found)), nil
}

// UpdateDevice changes how a device is described.
func (s *Server) UpdateDevice(ctx context.Context, r generated.UpdateDeviceRequestObject) (generated.UpdateDeviceResponseObject, error) {
	changed, err := s.devices.Update(ctx, device.Change{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		DeviceID: r.DeviceID, Name: r.Body.Name, Location: r.Body.Location, Tags: r.Body.Tags,
	})
	if err != nil {
		return nil, err
	}
	return generated.UpdateDevice200JSONResponse(deviceOf(changed)), nil
}

// IssueActivationCode gives a device a new code; the old one is dead.
func (s *Server) IssueActivationCode(ctx context.Context, r generated.IssueActivationCodeRequestObject) (generated.IssueActivationCodeResponseObject, error) {
	activation, err := s.devices.IssueActivationCode(ctx, device.IssueRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		DeviceID: r.DeviceID, IdempotencyKey: value(r.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	return generated.IssueActivationCode201JSONResponse{
		Body:    generated.ActivationCode{ActivationCode: activation.Code, ActivationExpiresAt: fieldgate.At(activation.ExpiresAt)},
		Headers: generated.IssueActivationCode201ResponseHeaders{Location: devicesPath + r.DeviceID},
	}, nil
}

// SuspendDevice ends a device's logins and keeps it out.
func (s *Server) SuspendDevice(ctx context.Context, r generated.SuspendDeviceRequestObject) (generated.SuspendDeviceResponseObject, error) {
	changed, err := s.devices.Suspend(ctx, adminRequest(ctx, r.DeviceID, r.Body))
	if err != nil {
		return nil, err
	}
	return generated.SuspendDevice200JSONResponse(deviceOf(changed)), nil
}

// ResumeDevice lets a suspended device in again.
func (s *Server) ResumeDevice(ctx context.Context, r generated.ResumeDeviceRequestObject) (generated.ResumeDeviceResponseObject, error) {
	changed, err := s.devices.Resume(ctx, adminRequest(ctx, r.DeviceID, r.Body))
	if err != nil {
		return nil, err
	}
	return generated.ResumeDevice200JSONResponse(deviceOf(changed)), nil
}

// RevokeDeviceLogins ends a device's logins; it may log in again.
func (s *Server) RevokeDeviceLogins(ctx context.Context, r generated.RevokeDeviceLoginsRequestObject) (generated.RevokeDeviceLoginsResponseObject, error) {
	changed, err := s.devices.RevokeLogins(ctx, adminRequest(ctx, r.DeviceID, r.Body))
	if err != nil {
		return nil, err
	}
	return generated.RevokeDeviceLogins200JSONResponse(deviceOf(changed)), nil
}

// DecommissionDevice takes a device out of service for good.
func (s *Server) DecommissionDevice(ctx context.Context, r generated.DecommissionDeviceRequestObject) (generated.DecommissionDeviceResponseObject, error) {
	if err := s.devices.Decommission(ctx, adminRequest(ctx, r.DeviceID, nil)); err != nil {
		return nil, err
	}
	return generated.DecommissionDevice204Response{}, nil
}

const devicesPath = "/api/v1/customer/devices/"

func adminRequest(ctx context.Context, deviceID string, body *generated.ReasonRequest) device.AdminRequest {
	return device.AdminRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, RequestID: request.ID(ctx),
		DeviceID: deviceID, Reason: reason(body),
	}
}

func deviceOf(d device.Device) generated.Device {
	answer := generated.Device{
		ID: d.ID, ExternalID: d.ExternalID, Name: d.Name, Location: d.Location, Tags: d.Tags,
		Status: generated.DeviceStatus(d.Status), Presence: generated.DevicePresence(d.Presence),
		CreatedAt: fieldgate.At(d.CreatedAt), RegisteredAt: fieldgate.At(d.RegisteredAt), LastSeen: fieldgate.At(d.LastSeen),
		FirmwareVersion: d.FirmwareVersion, Model: d.Model,
	}
	if answer.Tags == nil {
		answer.Tags = generated.Tags{}
	}
	return answer
}

// wholeDeviceOf adds what only the answer about one device tells.
func wholeDeviceOf(d device.Device) generated.Device {
	answer := deviceOf(d)
	answer.ActiveSessionID, answer.Metrics = d.ActiveSessionID, d.Metrics
	waiting := int(d.PendingCommands)
	answer.PendingCommands = &waiting
	if d.LastHeartbeat != nil {
		answer.LastHeartbeat = generated.LastHeartbeat{
			Status: generated.HeartbeatStatus(d.LastHeartbeat.Status), ReceivedAt: fieldgate.At(d.LastHeartbeat.ReceivedAt),
		}
	}
	return answer
}
