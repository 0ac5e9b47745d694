// Command httponly is a device program that opens no socket. A test checks that the linker omits
// the code of sockets.
package main

import (
	"context"
	"log"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func main() {
	gateway, err := fieldgate.New("https://gateway.example.com")
	if err != nil {
		log.Fatal(err)
	}
	commands, err := gateway.Device("id", "secret").Claim(context.Background(), fieldgate.ClaimRequest{})
	log.Print(commands, err)
}
