// A stand-in for mongod: FerretDB on SQLite, behind a process that adds what a replica set of one member needs and
// FerretDB lacks: replSetInitiate and its kin, a first user made from localhost, and users with roles (which are not
// enforced: whoever logs in may do everything). Nothing is replicated; a set of several members is refused.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	dbpath := flag.String("dbpath", "/data/db", "folder of the data")
	set := flag.String("replSet", "", "name of the replica set; without it, a server of its own")
	port := flag.Int("port", 27017, "port to listen on")
	bindAll := flag.Bool("bind_ip_all", false, "listen on every address")
	for _, name := range []string{"keyFile", "wiredTigerCacheSizeGB", "setParameter", "bind_ip", "logpath"} {
		flag.String(name, "", "accepted for the sake of mongod's flags, without effect")
	}
	for _, name := range []string{"auth", "quiet"} {
		flag.Bool(name, false, "accepted for the sake of mongod's flags, without effect")
	}
	arguments := os.Args[1:]
	// The image's entry point passes the program's own name on.
	if len(arguments) > 0 && arguments[0] == "mongod" {
		arguments = arguments[1:]
	}
	if err := flag.CommandLine.Parse(arguments); err != nil {
		log.Fatal(err)
	}
	if err := run(*dbpath, *set, *port, *bindAll); err != nil {
		log.Fatal(err)
	}
}

func run(dbpath, set string, port int, bindAll bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := os.MkdirAll(dbpath, 0o700); err != nil {
		return err
	}
	replicas, err := loadReplicaSet(dbpath, set)
	if err != nil {
		return err
	}
	engine := &engine{dbpath: dbpath}
	if err := engine.start(ctx, "", ""); err != nil {
		return err
	}
	defer engine.stop()

	host := "127.0.0.1"
	if bindAll {
		host = ""
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	log.Printf("stand-in for mongod (FerretDB on SQLite) waits on %s", listener.Addr())
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		local := strings.HasPrefix(client.RemoteAddr().String(), "127.")
		go (&session{client: client, engine: engine, replicas: replicas, local: local}).serve(ctx)
	}
}
