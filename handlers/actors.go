package handlers

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/store"
)

// callerNames returns the names in the token of the call, to be recorded with what the user does.
func callerNames(ctx context.Context) fieldgate.Names {
	p := userPrincipal(ctx)
	return fieldgate.Names{Name: p.Name, Email: p.Email}
}

// actorOf parses the actor of an event: "user:<id>", "device:<id>" or "system".
func actorOf(actor string) generated.Actor {
	kind, id := store.ParseActor(actor)
	return generated.Actor{Kind: generated.ActorKind(kind), ID: id}
}

// actorDetailsOf parses an actor like actorOf, and adds the names that were recorded with it.
func actorDetailsOf(actor string, names fieldgate.Names) generated.ActorDetails {
	kind, id := store.ParseActor(actor)
	return generated.ActorDetails{Kind: generated.ActorKind(kind), ID: id, Name: names.Name, Email: names.Email}
}

// userDetailsOf returns the details of the user with this id.
func userDetailsOf(id string, names fieldgate.Names) generated.ActorDetails {
	return actorDetailsOf(store.ActorUser(id), names)
}
