package realtime

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

var (
	// claimableEvents are the events that may add a command to a device's queue. A
	// command that is pending approval is not in the queue. Commands that were held can be
	// claimed after device.identity_resolved.
	claimableEvents = map[string]bool{
		"command.proposed": true, "command.approved": true, "command.requeued": true, "command.released": true,
		"device.identity_resolved": true,
	}
	// rightsEvents are the events after which a device's login must be re-verified.
	rightsEvents = map[string]bool{
		"device.registered": true, "device.suspended": true, "device.decommissioned": true, "device.logins_revoked": true,
	}
)

// notifyDevices notifies the connected devices that are affected by the events.
func (f *feed) notifyDevices(events []event) {
	claimable := map[*Socket]bool{}
	for _, e := range events {
		s := f.hub.deviceSocket(e.device)
		if s == nil {
			continue
		}
		switch {
		case claimableEvents[e.kind] && e.frame.Data["status"] != "pending_approval":
			claimable[s] = true
		case e.kind == "command.cancel_requested":
			s.pushCancel(e)
		case rightsEvents[e.kind]:
			go s.verify()
		}
	}
	for s := range claimable {
		go s.pushAvailable()
	}
}

func (h *Hub) deviceSocket(id string) *Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[id]
}

func (s *Socket) pushCancel(e event) {
	data := map[string]any{"commandId": e.command}
	if reason, ok := e.frame.Data["reason"]; ok {
		data["reason"] = reason
	}
	s.push("command.cancel", data)
}

// pushAvailable pushes the number of commands that the device can claim. It pushes
// nothing if that number is zero.
func (s *Socket) pushAvailable() {
	ctx := s.conn.Context()
	var pending int64
	err := s.hub.store.Do(ctx, "pending", func(ctx context.Context, c store.Client) (err error) {
		pending, err = c.ZCard(ctx, store.Device{Tenant: s.Tenant, ID: s.Device}.ReadyKey()).Result()
		return err
	})
	if err != nil {
		s.hub.log.WarnContext(ctx, "counting the commands that a device can claim failed", "device", s.Device, "error", err)
		return
	}
	if pending > 0 {
		s.push("commands.available", map[string]int64{"pending": pending})
	}
}

// verify re-verifies the principal, and closes the socket if the principal has lost its
// rights.
func (s *Socket) verify() {
	if code := s.Verify(s.conn.Context()); code != 0 {
		s.conn.Close(code, "rights withdrawn")
	}
}

// verifyEvery is the interval at which the principal of an idle socket is re-verified.
// For a device, the check also renews the login.
const verifyEvery = 5 * time.Minute

// verifyAgain re-verifies the principal if the last check is older than verifyEvery.
func (s *Socket) verifyAgain() {
	s.mu.Lock()
	due := time.Since(s.verifiedAt) >= verifyEvery
	if due {
		s.verifiedAt = time.Now()
	}
	s.mu.Unlock()
	if due {
		s.verify()
	}
}
