package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/diagnosis"
)

// Diagnose checks the servers as Connect and Watch do. It returns all findings instead of the
// first error, and creates no store.
func Diagnose(ctx context.Context, cfg Config) []diagnosis.Finding {
	const check = "redis connection"
	s := newStore(cfg)
	if err := s.open(cfg); err != nil {
		return diagnosis.Errors(check, err)
	}
	defer func() { _ = s.Close() }()
	took, err := s.Ping(ctx)
	switch {
	case IsUnreachable(err):
		return []diagnosis.Finding{diagnosis.Fail(check, "%v: start Redis, or correct its address", causeOf(err))}
	case err != nil:
		return []diagnosis.Finding{diagnosis.Fail(check, "%v: correct the address, the password or the certificates", causeOf(err))}
	}
	findings := []diagnosis.Finding{diagnosis.Good(check, "Redis replied in %s", took.Round(time.Microsecond))}
	findings = append(findings, s.diagnoseTLS()...)
	findings = append(findings, s.diagnoseServers(ctx)...)
	return append(findings, s.diagnoseData(ctx)...)
}

// causeOf returns the cause of an outage, without the sentence for callers of the API.
func causeOf(err error) error {
	var outage *fieldgate.Error
	if errors.As(err, &outage) && outage.Cause != nil {
		return outage.Cause
	}
	return err
}

// diagnoseTLS checks the certificates of the last connection, or that a connection without TLS
// does not leave the machine.
func (s *Store) diagnoseTLS() (findings []diagnosis.Finding) {
	const check = "redis TLS"
	last := s.dialer.last.Load()
	switch {
	case last == nil:
		return nil
	case last.certificateEnds.IsZero() && !isLoopback(last.addr):
		return []diagnosis.Finding{diagnosis.Warn(check, "the connection is not encrypted, and tokens and results pass through: use a rediss:// URL")}
	case last.certificateEnds.IsZero():
		return []diagnosis.Finding{diagnosis.Good(check, "the connection is not encrypted, and stays on this machine")}
	}
	findings = []diagnosis.Finding{diagnosis.Certificate(check, last.certificateEnds, time.Now(), diagnosis.ServerReserve)}
	return append(findings, s.diagnoseFiles(last)...)
}

// diagnoseFiles checks the authority in FIELDGATE_REDIS_CA_FILE that verified the server of a
// connection, and the certificate in FIELDGATE_REDIS_CERT_FILE. Other authorities in the file are not
// needed.
func (s *Store) diagnoseFiles(last *connInfo) (findings []diagnosis.Finding) {
	if s.dialer.certificates == nil {
		return nil
	}
	files := s.dialer.certificates.last.Load()
	if files.authorities != nil {
		findings = append(findings, diagnosis.Certificate("redis authority", last.authorityEnds, time.Now(), diagnosis.FileReserve))
	}
	for _, own := range files.own {
		findings = append(findings, diagnosis.Certificate("redis client certificate", own.Leaf.NotAfter, time.Now(), diagnosis.FileReserve))
	}
	return findings
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// diagnoseServers checks each server that accepts writes.
func (s *Store) diagnoseServers(ctx context.Context) (findings []diagnosis.Finding) {
	var mu sync.Mutex
	err := s.do(ctx, "diagnose", func(ctx context.Context) error {
		return s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
			found := s.diagnoseServer(ctx, server)
			mu.Lock()
			defer mu.Unlock()
			findings = append(findings, found...)
			return nil
		})
	})
	if err != nil {
		findings = append(findings, diagnosis.Fail("redis servers", "%v", causeOf(err)))
	}
	return findings
}

func (s *Store) diagnoseServer(ctx context.Context, server redis.Cmdable) []diagnosis.Finding {
	info, err := readInfo(ctx, server)
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail("redis rights", "%v: grant +info", err)}
	}
	findings := []diagnosis.Finding{
		finding("redis version", checkInfo(info, s.kind), "Redis %s, %s", versionOf(info), s.mode(info)),
		finding("redis role", checkRole(info), "the server accepts writes"),
		finding("redis eviction", checkEviction(info), "the server evicts no keys"),
		diagnosePersistence(info),
		diagnoseMemory(info),
	}
	if now, err := server.Time(ctx).Result(); err == nil {
		findings = append(findings, diagnosis.Clock("redis clock", now, time.Now()))
	}
	return findings
}

// finding returns a failure with err or, if err is nil, a finding without a problem.
func finding(check string, err error, format string, args ...any) diagnosis.Finding {
	if err != nil {
		return diagnosis.Fail(check, "%v", err)
	}
	return diagnosis.Good(check, format, args...)
}

func diagnosePersistence(info map[string]string) diagnosis.Finding {
	if !persists(info) {
		return diagnosis.Warn("redis persistence", "%v, so that accepted commands are lost when Redis crashes: set appendonly yes", errNotPersistent)
	}
	return diagnosis.Good("redis persistence", "the append-only file is on")
}

func diagnoseMemory(info map[string]string) diagnosis.Finding {
	const check = "redis memory"
	share := usedShare(info)
	used := fmt.Sprintf("Redis uses %.0f %% of its maxmemory", 100*share)
	switch {
	case info["maxmemory"] == "0":
		return diagnosis.Warn(check, "maxmemory is not set, so that Redis may use all memory of the machine: set it below that")
	case share >= fullFrom:
		return diagnosis.Fail(check, "%s, so that nothing new is accepted: add memory, or shorten FIELDGATE_RETENTION", used)
	case share >= fullUntil:
		return diagnosis.Warn(check, "%s, and from %.0f %% on nothing new is accepted: add memory, or shorten FIELDGATE_RETENTION", used, 100*fullFrom)
	}
	return diagnosis.Good(check, "%s", used)
}

// diagnoseData checks that this installation may use the store, and that its scripts run. It
// runs none in a store that belongs to another installation.
func (s *Store) diagnoseData(ctx context.Context) []diagnosis.Finding {
	const check = "redis data"
	stored, err := s.readMeta(ctx)
	if err == nil {
		err = s.checkFound(ctx, stored)
	}
	if err != nil {
		return []diagnosis.Finding{diagnosis.Fail(check, "%v", err)}
	}
	data := diagnosis.Good(check, "the store is %s, with data of schema %s", stored["store_id"], stored["schema"])
	if len(stored) == 0 {
		data = diagnosis.Good(check, "the store is empty: the first gateway that starts creates it")
	}
	return []diagnosis.Finding{data, s.diagnoseScripts(ctx), s.diagnoseWake(ctx)}
}

func (s *Store) diagnoseScripts(ctx context.Context) diagnosis.Finding {
	const check = "redis rights"
	if _, err := s.Probe(ctx); err != nil {
		return diagnosis.Fail(check, "running a script that writes: %v: grant the user its rights, see the guide to operations", causeOf(err))
	}
	if s.functions.refused.Load() {
		return diagnosis.Warn(check, "scripts run and write, but not as functions, so that each costs Redis more time: "+
			"grant +fcall +function|load +function|list +function|delete, or set FIELDGATE_REDIS_FUNCTIONS=false")
	}
	return diagnosis.Good(check, "scripts run and write")
}

// diagnoseWake listens until the subscription has succeeded.
func (s *Store) diagnoseWake(ctx context.Context) diagnosis.Finding {
	const check = "redis wake-ups"
	ctx, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	if connected, err := s.listen(ctx, func(Wake) { stop() }); !connected {
		return diagnosis.Warn(check, "%v, so that devices receive commands late: grant the channel &%s", err, wakeChannel)
	}
	return diagnosis.Good(check, "devices are notified of commands at once")
}
