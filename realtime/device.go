package realtime

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// moreWork are the events after which a device may have more to claim, unless a
// person is asked first, and otherRights those after which its login has to be looked at again.
var (
	moreWork = map[string]bool{
		"command.proposed": true, "command.approved": true, "command.requeued": true, "command.released": true,
	}
	otherRights = map[string]bool{
		"device.registered": true, "device.suspended": true, "device.decommissioned": true, "device.logins_revoked": true,
	}
)

// tellDevices tells the devices that are connected here what concerns them.
func (f *feed) tellDevices(events []event) {
	work := map[*Socket]bool{}
	for _, e := range events {
		s := f.hub.deviceSocket(e.device)
		if s == nil {
			continue
		}
		switch {
		case moreWork[e.kind] && e.frame.Data["status"] != "pending_approval":
			work[s] = true
		case e.kind == "command.cancel_requested":
			s.tellCancel(e)
		case otherRights[e.kind]:
			go s.verify()
		}
	}
	for s := range work {
		go s.tellPending()
	}
}

func (h *Hub) deviceSocket(id string) *Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[id]
}

func (s *Socket) tellCancel(e event) {
	data := map[string]any{"commandId": e.command}
	if reason, ok := e.frame.Data["reason"]; ok {
		data["reason"] = reason
	}
	s.push("command.cancel", data)
}

// tellPending tells a device how many commands it could claim. Nothing to claim
// is worth no frame.
func (s *Socket) tellPending() {
	ctx := s.conn.Context()
	var pending int64
	err := s.hub.store.Do(ctx, "pending", func(ctx context.Context, c store.Client) (err error) {
		pending, err = c.ZCard(ctx, store.Device{Tenant: s.Tenant, ID: s.Device}.ReadyKey()).Result()
		return err
	})
	if err != nil {
		s.hub.log.WarnContext(ctx, "counting what a device could claim", "device", s.Device, "error", err)
		return
	}
	if pending > 0 {
		s.push("commands.available", map[string]int64{"pending": pending})
	}
}

// verify closes the socket of a principal that may not be here any more.
func (s *Socket) verify() {
	if code := s.Verify(s.conn.Context()); code != 0 {
		s.conn.Close(code, "rights withdrawn")
	}
}

// verifyEvery is how often the principal of a socket that says nothing is looked at
// without a reason, which also keeps the login of a device from ending meanwhile.
const verifyEvery = 5 * time.Minute

// verifyAgain looks at the principal if that was long ago.
func (s *Socket) verifyAgain() {
	s.mu.Lock()
	over := time.Since(s.verified) >= verifyEvery
	if over {
		s.verified = time.Now()
	}
	s.mu.Unlock()
	if over {
		s.verify()
	}
}
