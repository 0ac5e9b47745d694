package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// callsOpts describe the counters of the busiest tenants.
var callsOpts = prometheus.CounterOpts{
	Name: "fieldgate_tenant_calls_total",
	Help: "Requests and frames of the ten tenants that send most of them, by outcome: served, or limited by a rate limit or a quota.",
}

var callsDesc = prometheus.NewDesc(callsOpts.Name, callsOpts.Help, []string{"tenant", "outcome"}, nil)

// Describe implements prometheus.Collector.
func (b *busiest) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- callsDesc }

// Collect implements prometheus.Collector.
func (b *busiest) Collect(metrics chan<- prometheus.Metric) {
	for _, calls := range b.top() {
		metrics <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, calls.served, calls.tenant, "served")
		metrics <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, calls.limited, calls.tenant, "limited")
	}
}

// surveyOpts describe the metrics of the newest survey.
var surveyOpts = struct{ commands, age, tenants, used, limit, at, took prometheus.GaugeOpts }{
	commands: prometheus.GaugeOpts{
		Name: "fieldgate_backlog_commands",
		Help: "Commands of all tenants that wait, by status: queued for their device, or pending_approval.",
	},
	age: prometheus.GaugeOpts{
		Name: "fieldgate_backlog_oldest_age_seconds",
		Help: "Time for which the oldest of these commands had waited at the last survey; of queued ones, the oldest among the next commands of all devices.",
	},
	tenants: prometheus.GaugeOpts{
		Name: "fieldgate_tenants", Help: "Tenants that have devices.",
	},
	used: prometheus.GaugeOpts{
		Name: "fieldgate_tenant_quota_used",
		Help: "Use of a quota by the ten tenants that use most of their limit.",
	},
	limit: prometheus.GaugeOpts{
		Name: "fieldgate_tenant_quota_limit",
		Help: "Limits of the tenants in fieldgate_tenant_quota_used; none if there is no limit.",
	},
	at: prometheus.GaugeOpts{
		Name: "fieldgate_survey_timestamp_seconds",
		Help: "Time of the last survey of all tenants, which one instance takes for all.",
	},
	took: prometheus.GaugeOpts{
		Name: "fieldgate_survey_duration_seconds", Help: "Duration of the last survey.",
	},
}

// surveyDescs are the descriptors of the metrics of the newest survey.
var surveyDescs = struct{ commands, age, tenants, used, limit, at, took *prometheus.Desc }{
	commands: describe(surveyOpts.commands, "status"),
	age:      describe(surveyOpts.age, "status"),
	tenants:  describe(surveyOpts.tenants),
	used:     describe(surveyOpts.used, "tenant", "quota"),
	limit:    describe(surveyOpts.limit, "tenant", "quota"),
	at:       describe(surveyOpts.at),
	took:     describe(surveyOpts.took),
}

func describe(opts prometheus.GaugeOpts, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(opts.Name, opts.Help, labels, nil)
}

// Describe implements prometheus.Collector.
func (s *surveyor) Describe(descriptions chan<- *prometheus.Desc) {
	d := surveyDescs
	for _, description := range []*prometheus.Desc{d.commands, d.age, d.tenants, d.used, d.limit, d.at, d.took} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector. While no survey is known, there are no series.
func (s *surveyor) Collect(metrics chan<- prometheus.Metric) {
	found := s.last.Load()
	if found == nil {
		return
	}
	add := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for status, b := range map[string]backlog{"queued": found.Ready, "pending_approval": found.Pending} {
		add(surveyDescs.commands, float64(b.Commands), status)
		add(surveyDescs.age, b.ageAt(found.At), status)
	}
	add(surveyDescs.tenants, float64(found.Tenants))
	add(surveyDescs.at, float64(found.At)/1000)
	add(surveyDescs.took, (time.Duration(found.Took) * time.Millisecond).Seconds())
	for _, use := range found.Top {
		add(surveyDescs.used, float64(use.Used), use.Tenant, string(use.Quota))
		if use.Limit > 0 {
			add(surveyDescs.limit, float64(use.Limit), use.Tenant, string(use.Quota))
		}
	}
}
