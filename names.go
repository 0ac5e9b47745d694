package fieldgate

// Names are the texts by which people recognize a user who has acted: those of the user's token
// at the time of the act. They are stored beside the user's id and never looked up later. Both may
// be empty. No rule compares them, because users may change their names and two users may have the
// same one.
type Names struct {
	Name  string
	Email string
}
