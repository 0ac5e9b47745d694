package handlers

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/store"
)

// ProvisionDevice creates a device and its activation code.
func (s *Server) ProvisionDevice(ctx context.Context, r generated.ProvisionDeviceRequestObject) (generated.ProvisionDeviceResponseObject, error) {
	created, activation, err := s.devices.Provision(ctx, provisioningFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return provisionedResponse(created, activation), nil
}

func provisioningFrom(ctx context.Context, r generated.ProvisionDeviceRequestObject) device.Provisioning {
	return device.Provisioning{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		Name: r.Body.Name, ExternalID: r.Body.ExternalID, Location: r.Body.Location, Tags: r.Body.Tags,
		IdempotencyKey: value(r.Params.IdempotencyKey),
	}
}

func provisionedResponse(d device.Device, a device.Activation) generated.ProvisionDevice201JSONResponse {
	return generated.ProvisionDevice201JSONResponse{
		Body: generated.ProvisionedDevice{
			Device: deviceOf(d), ActivationCode: a.Code, ActivationExpiresAt: fieldgate.At(a.ExpiresAt), Instructions: instructions(a),
		},
		Headers: generated.ProvisionDevice201ResponseHeaders{Location: devicesPath + d.ID},
	}
}

func instructions(a device.Activation) string {
	return fmt.Sprintf("Give the code %s to the device before %s. The device sends it once to POST /api/v1/device/register and gets its secret.",
		a.Code, a.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"))
}

// ListDevices lists devices, newest first.
func (s *Server) ListDevices(ctx context.Context, r generated.ListDevicesRequestObject) (generated.ListDevicesResponseObject, error) {
	filter, page := deviceFilterFrom(r)
	list, next, err := s.devices.List(ctx, userPrincipal(ctx).Tenant, filter, page)
	if err != nil {
		return nil, err
	}
	total, err := s.devices.Count(ctx, userPrincipal(ctx).Tenant, filter)
	if err != nil {
		return nil, err
	}
	return generated.ListDevices200JSONResponse(deviceListOf(list, next, total)), nil
}

func deviceFilterFrom(r generated.ListDevicesRequestObject) (device.Filter, store.Page) {
	filter := device.Filter{Status: device.Status(value(r.Params.Status)), Tag: value(r.Params.Tag), Query: value(r.Params.Q)}
	return filter, pageFrom(r.Params.Limit, r.Params.Cursor)
}

func deviceListOf(list []device.Device, next string, total *int64) generated.DeviceList {
	return generated.DeviceList{Items: convert(list, deviceOf), NextCursor: next, Total: total}
}

// GetDevice returns a device with its current activity.
func (s *Server) GetDevice(ctx context.Context, r generated.GetDeviceRequestObject) (generated.GetDeviceResponseObject, error) {
	found, err := s.devices.Get(ctx, userPrincipal(ctx).Tenant, r.DeviceID)
	if err != nil {
		return nil, err
	}
	return generated.GetDevice200JSONResponse(deviceDetailOf(found)), nil
}

// UpdateDevice changes the name, the location or the tags of a device.
func (s *Server) UpdateDevice(ctx context.Context, r generated.UpdateDeviceRequestObject) (generated.UpdateDeviceResponseObject, error) {
	changed, err := s.devices.Update(ctx, deviceChangeFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return generated.UpdateDevice200JSONResponse(deviceOf(changed)), nil
}

func deviceChangeFrom(ctx context.Context, r generated.UpdateDeviceRequestObject) device.Change {
	return device.Change{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		DeviceID: r.DeviceID, Name: r.Body.Name, Location: r.Body.Location, Tags: r.Body.Tags,
	}
}

// IssueActivationCode issues a new activation code, which invalidates the old one.
func (s *Server) IssueActivationCode(ctx context.Context, r generated.IssueActivationCodeRequestObject) (generated.IssueActivationCodeResponseObject, error) {
	activation, err := s.devices.IssueActivationCode(ctx, codeIssueFrom(ctx, r))
	if err != nil {
		return nil, err
	}
	return activationCodeResponse(r.DeviceID, activation), nil
}

func codeIssueFrom(ctx context.Context, r generated.IssueActivationCodeRequestObject) device.IssueRequest {
	return device.IssueRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		DeviceID: r.DeviceID, IdempotencyKey: value(r.Params.IdempotencyKey),
	}
}

func activationCodeResponse(deviceID string, a device.Activation) generated.IssueActivationCode201JSONResponse {
	return generated.IssueActivationCode201JSONResponse{
		Body:    generated.ActivationCode{ActivationCode: a.Code, ActivationExpiresAt: fieldgate.At(a.ExpiresAt)},
		Headers: generated.IssueActivationCode201ResponseHeaders{Location: devicesPath + deviceID},
	}
}

// SuspendDevice suspends a device and ends its logins.
func (s *Server) SuspendDevice(ctx context.Context, r generated.SuspendDeviceRequestObject) (generated.SuspendDeviceResponseObject, error) {
	changed, err := s.devices.Suspend(ctx, statusChangeFrom(ctx, r.DeviceID, r.Body))
	if err != nil {
		return nil, err
	}
	return generated.SuspendDevice200JSONResponse(deviceOf(changed)), nil
}

// ResumeDevice resumes a suspended device.
func (s *Server) ResumeDevice(ctx context.Context, r generated.ResumeDeviceRequestObject) (generated.ResumeDeviceResponseObject, error) {
	changed, err := s.devices.Resume(ctx, statusChangeFrom(ctx, r.DeviceID, r.Body))
	if err != nil {
		return nil, err
	}
	return generated.ResumeDevice200JSONResponse(deviceOf(changed)), nil
}

// RevokeDeviceLogins ends a device's logins. The device may log in again.
func (s *Server) RevokeDeviceLogins(ctx context.Context, r generated.RevokeDeviceLoginsRequestObject) (generated.RevokeDeviceLoginsResponseObject, error) {
	changed, err := s.devices.RevokeLogins(ctx, statusChangeFrom(ctx, r.DeviceID, r.Body))
	if err != nil {
		return nil, err
	}
	return generated.RevokeDeviceLogins200JSONResponse(deviceOf(changed)), nil
}

// ResolveDeviceIdentity ends the identity conflict of a device.
func (s *Server) ResolveDeviceIdentity(ctx context.Context, r generated.ResolveDeviceIdentityRequestObject) (generated.ResolveDeviceIdentityResponseObject, error) {
	change, keep := resolutionFrom(ctx, r)
	changed, err := s.devices.ResolveIdentity(ctx, change, keep)
	if err != nil {
		return nil, err
	}
	return generated.ResolveDeviceIdentity200JSONResponse(deviceOf(changed)), nil
}

func resolutionFrom(ctx context.Context, r generated.ResolveDeviceIdentityRequestObject) (change device.AdminRequest, keep string) {
	return statusChangeFrom(ctx, r.DeviceID, &generated.ReasonRequest{Reason: r.Body.Reason}), r.Body.Keep
}

// DecommissionDevice takes a device out of service permanently.
func (s *Server) DecommissionDevice(ctx context.Context, r generated.DecommissionDeviceRequestObject) (generated.DecommissionDeviceResponseObject, error) {
	if err := s.devices.Decommission(ctx, statusChangeFrom(ctx, r.DeviceID, nil)); err != nil {
		return nil, err
	}
	return generated.DecommissionDevice204Response{}, nil
}

const devicesPath = "/api/v1/customer/devices/"

func statusChangeFrom(ctx context.Context, deviceID string, body *generated.ReasonRequest) device.AdminRequest {
	return device.AdminRequest{
		Tenant: userPrincipal(ctx).Tenant, UserID: userPrincipal(ctx).UserID, Names: callerNames(ctx), RequestID: request.ID(ctx),
		DeviceID: deviceID, Reason: reasonFrom(body),
	}
}

func deviceOf(d device.Device) generated.Device {
	converted := generated.Device{
		ID: d.ID, ExternalID: d.ExternalID, Name: d.Name, Location: d.Location, Tags: d.Tags,
		Status: generated.DeviceStatus(d.Status), Presence: generated.DevicePresence(d.Presence),
		CreatedAt: fieldgate.At(d.CreatedAt), RegisteredAt: fieldgate.At(d.RegisteredAt), LastSeen: fieldgate.At(d.LastSeen),
		FirmwareVersion: d.FirmwareVersion, Model: d.Model,
	}
	if converted.Tags == nil {
		converted.Tags = generated.Tags{}
	}
	if d.IdentityConflict != nil {
		converted.IdentityConflict = identityConflictOf(*d.IdentityConflict)
	}
	return converted
}

func identityConflictOf(c device.IdentityConflict) generated.IdentityConflict {
	return generated.IdentityConflict{Since: fieldgate.At(c.Since), Instances: convert(c.Instances, deviceInstanceOf)}
}

func deviceInstanceOf(i device.Instance) generated.DeviceInstance {
	return generated.DeviceInstance{
		InstanceID: i.ID, FirstSeen: fieldgate.At(i.FirstSeen), LastSeen: fieldgate.At(i.LastSeen), Address: i.Addr,
	}
}

// deviceDetailOf converts a device like deviceOf, and adds the fields that only GetDevice
// returns.
func deviceDetailOf(d device.Device) generated.Device {
	detail := deviceOf(d)
	detail.ActiveSessionID, detail.Metrics = d.ActiveSessionID, d.Metrics
	pending := int(d.PendingCommands)
	detail.PendingCommands = &pending
	if d.LastHeartbeat != nil {
		detail.LastHeartbeat = generated.LastHeartbeat{
			Status: generated.HeartbeatStatus(d.LastHeartbeat.Status), Reason: d.LastHeartbeat.Reason, ReceivedAt: fieldgate.At(d.LastHeartbeat.ReceivedAt),
		}
	}
	return detail
}
