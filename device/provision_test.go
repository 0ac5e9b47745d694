package device_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestProvision_ReturnsDeviceAndCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, activation := b.provision(func(p *device.Provisioning) { p.ExternalID = "PX4-001873" })
		require.Regexp(t, `^dev_[0-9a-z]{28}$`, d.ID)
		require.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$`, activation.Code)
		require.Equal(t, d.CreatedAt.Add(24*time.Hour), activation.ExpiresAt)
		require.Equal(t, device.Device{
			ID: d.ID, Tenant: b.tenant, ExternalID: "PX4-001873", Name: "Pump station 12", Location: "Hall 3",
			Tags:   map[string]string{"site": "leipzig", "line": "cooling"},
			Status: device.Provisioned, Presence: device.NeverConnected, CreatedAt: d.CreatedAt,
		}, d)
		require.Equal(t, d, b.get(d.ID), "Get and Provision differ")
	})
}

func TestProvision_ExternalIDIsUniqueInTenant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		withExternalID := func(p *device.Provisioning) { p.ExternalID = "PX4-001873" }
		first, _ := b.provision(withExternalID)
		p := b.provisioning()
		withExternalID(&p)
		_, _, err := b.registry.Provision(t.Context(), p)
		requireRefused(t, fieldgate.CodeExternalIDTaken, err)

		b.inSamePartition().provision(withExternalID)
		require.NoError(t, b.registry.Decommission(t.Context(), b.adminRequest(first.ID)))
		second, _ := b.provision(withExternalID)
		require.NotEqual(t, first.ID, second.ID)
		require.Equal(t, "PX4-001873", b.get(first.ID).ExternalID, "the decommissioned device must keep its externalId")
	})
}

func TestProvision_ExternalIDIsUniqueUnderConcurrency(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		p := b.provisioning()
		p.ExternalID = "PX4-001873"
		_, errs := concurrently(20, func(int) (device.Activation, error) {
			_, activation, err := b.registry.Provision(t.Context(), p)
			return activation, err
		})
		requireOneSucceeds(t, fieldgate.CodeExternalIDTaken, errs)
	})
}

func TestProvision_RetryReturnsSameDeviceAndCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		p := b.provisioning()
		p.ExternalID, p.IdempotencyKey = "PX4-001873", "key-1"
		type reply struct {
			device.Device
			device.Activation
		}
		replies, errs := concurrently(20, func(int) (reply, error) {
			d, activation, err := b.registry.Provision(t.Context(), p)
			return reply{d, activation}, err
		})
		for i := range replies {
			require.NoError(t, errs[i])
			require.Equal(t, replies[0], replies[i])
		}
		list, _, err := b.registry.List(t.Context(), b.tenant, device.Filter{}, store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, list, 1)
		b.register(replies[0].Code)
	})
}

func TestProvision_IdempotencyKeyReused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, _ := b.provision(func(p *device.Provisioning) { p.IdempotencyKey = "key-1" })
		other := b.provisioning()
		other.IdempotencyKey = "key-1"
		storetest.ForEachChange(t, other, map[string]string{
			"Tenant": "keys belong to a tenant", "IdempotencyKey": "the test repeats it",
			"RequestID": "a retry has another", "Names": "a renewed token may have others",
		}, func(t *testing.T, field string, changed device.Provisioning) {
			_, _, err := b.registry.Provision(t.Context(), changed)
			require.Equal(t, fieldgate.CodeIdempotencyKeyReused, fieldgate.CodeOf(err), field)
		})
		_, err := b.registry.IssueActivationCode(t.Context(), device.IssueRequest{Tenant: b.tenant, DeviceID: d.ID, IdempotencyKey: "key-1"})
		requireRefused(t, fieldgate.CodeIdempotencyKeyReused, err)
	})
}

func TestIssueActivationCode_InvalidatesPreviousCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, old := b.provision()
		fresh := b.issue(d.ID)
		require.NotEqual(t, old.Code, fresh.Code)
		_, err := b.registry.Register(t.Context(), registration(old.Code))
		requireRefused(t, fieldgate.CodeInvalidActivationCode, err)
		require.Equal(t, d.ID, b.register(fresh.Code).DeviceID)
	})
}

func TestIssueActivationCode_RetryReturnsSameCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, _ := b.provision()
		codes, errs := concurrently(10, func(int) (device.Activation, error) {
			return b.registry.IssueActivationCode(t.Context(), device.IssueRequest{Tenant: b.tenant, DeviceID: d.ID, IdempotencyKey: "key-2"})
		})
		for i := range codes {
			require.NoError(t, errs[i])
			require.Equal(t, codes[0], codes[i])
		}
		b.register(codes[0].Code)
	})
}

func TestIssueActivationCode_DecommissionedIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		d, _ := b.provision()
		require.NoError(t, b.registry.Decommission(t.Context(), b.adminRequest(d.ID)))
		_, err := b.registry.IssueActivationCode(t.Context(), device.IssueRequest{Tenant: b.tenant, DeviceID: d.ID})
		requireRefused(t, fieldgate.CodeDeviceDecommissioned, err)
	})
}

func TestTags_InvalidKeyIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	d, _ := b.provision()
	for _, key := range []string{"", "a:b", "a b", "ä", "x\n", string(make([]byte, 65))} {
		p := b.provisioning()
		p.Tags = map[string]string{key: "v"}
		_, _, err := b.registry.Provision(t.Context(), p)
		require.Equal(t, "/tags", requireRefused(t, fieldgate.CodeValidationFailed, err).Fields[0].Pointer)
		_, err = b.registry.Update(t.Context(), device.Change{Tenant: b.tenant, DeviceID: d.ID, Tags: p.Tags})
		requireRefused(t, fieldgate.CodeValidationFailed, err)
	}
}

// requireOneSucceeds fails the test unless exactly one call succeeded and all others
// failed with the code.
func requireOneSucceeds(t *testing.T, code fieldgate.Code, errs []error) {
	t.Helper()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		requireRefused(t, code, err)
	}
	require.Equal(t, 1, succeeded)
}
