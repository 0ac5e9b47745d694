package handlers

import (
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/session"
)

// DeviceRecord returns a device in the format of the contract, for a program that prints it. The
// other functions of this file do the same for other records.
func DeviceRecord(d device.Device) generated.Device { return deviceOf(d) }

// DeviceDetailRecord returns a device with the fields that only GetDevice returns.
func DeviceDetailRecord(d device.Device) generated.Device { return deviceDetailOf(d) }

// SessionRecord returns a session without its commands.
func SessionRecord(s session.Session) generated.Session { return sessionOf(s) }

// CommandRecord returns a command.
func CommandRecord(c queue.Command) generated.Command { return commandOf(c) }

// OutputRecord returns what a device has reported while it ran a command.
func OutputRecord(o queue.Output) generated.CommandOutput { return outputOf(o) }

// EventRecord returns an event of a timeline.
func EventRecord(e session.Event) generated.Event { return eventOf(e) }

// ConnectionRecord returns an open socket.
func ConnectionRecord(c realtime.Connection) generated.Connection { return connectionOf(c) }
