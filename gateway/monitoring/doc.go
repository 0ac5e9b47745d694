// Package monitoring tests what an operator sees: the alerts and the dashboards of deploy, with a real
// Prometheus that scrapes a real gateway. It contains only tests.
package monitoring
