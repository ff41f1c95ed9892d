package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The wire protocol: a header of four numbers, then a body by its kind.
const (
	headerLength = 16
	opReply      = 1
	opQuery      = 2004
	opMessage    = 2013
	replyFields  = headerLength + 20
	moreToCome   = 1 << 1
	maxMessage   = 48 << 20
)

// Fields of a replica set's clients that FerretDB has no meaning for.
var unknown = map[string]bool{"lsid": true, "txnNumber": true, "$clusterTime": true, "readConcern": true, "$readPreference": true}

// session is one client's connection and the one to FerretDB behind it.
type session struct {
	client, backend net.Conn
	engine          *engine
	replicas        *replicaSet
	local, loggedIn bool
}

func (s *session) serve(ctx context.Context) {
	defer func() {
		_ = s.client.Close()
		if s.backend != nil {
			_ = s.backend.Close()
		}
	}()
	for {
		request, err := readMessage(s.client)
		if err != nil {
			return
		}
		reply, err := s.reply(ctx, request)
		if err != nil {
			log.Printf("%s: %v", s.client.RemoteAddr(), err)
			return
		}
		if reply == nil {
			continue
		}
		if _, err := s.client.Write(reply); err != nil {
			return
		}
	}
}

func (s *session) reply(ctx context.Context, request []byte) ([]byte, error) {
	if kind(request) != opMessage {
		return s.forward(request, func(answer bson.D) bson.D { return s.replicas.describe(answer) })
	}
	flags, body, rest, err := decode(request)
	if err != nil || len(body) == 0 {
		return s.forward(request, nil)
	}
	command := body[0].Key
	if own := s.own(ctx, command, body); own != nil {
		return encode(request, 0, own, nil)
	}
	request, err = encode(request, flags, known(command, body), rest)
	if err != nil {
		return nil, err
	}
	switch command {
	case "hello", "isMaster", "ismaster":
		return s.forward(request, s.replicas.describe)
	case "saslStart", "saslContinue":
		return s.forward(request, s.notice)
	}
	return s.forward(request, nil)
}

// own answers what FerretDB cannot.
func (s *session) own(ctx context.Context, command string, body bson.D) bson.D {
	switch command {
	case "replSetInitiate", "replSetReconfig", "replSetGetConfig", "replSetGetStatus":
		if s.engine.hasUsers() && !s.loggedIn {
			return failure(codeUnauthorized, "Unauthorized", "Command "+command+" requires authentication")
		}
		return s.replicas.answer(command, body)
	case "createUser":
		if s.loggedIn || s.engine.hasUsers() || !s.local {
			return nil
		}
		return s.createFirst(ctx, body)
	}
	return nil
}

func (s *session) createFirst(ctx context.Context, body bson.D) bson.D {
	user, _ := body[0].Value.(string)
	password := ""
	for _, field := range body {
		if field.Key == "pwd" {
			password, _ = field.Value.(string)
		}
	}
	if user == "" || password == "" {
		return failure(codeInternal, "InternalError", "the first user needs a name and a password")
	}
	if err := s.engine.makeFirstUser(ctx, user, password); err != nil {
		return failure(codeInternal, "InternalError", err.Error())
	}
	if s.backend != nil {
		_ = s.backend.Close()
		s.backend = nil
	}
	return success()
}

// notice remembers that a login succeeded.
func (s *session) notice(answer bson.D) bson.D {
	succeeded, done := false, false
	for _, field := range answer {
		succeeded = succeeded || (field.Key == "ok" && field.Value == 1.0)
		done = done || (field.Key == "done" && field.Value == true)
	}
	if succeeded && done {
		s.loggedIn = true
	}
	return answer
}

func (s *session) forward(request []byte, change func(bson.D) bson.D) ([]byte, error) {
	if s.backend == nil {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		s.backend = connection
	}
	if _, err := s.backend.Write(request); err != nil {
		return nil, err
	}
	if kind(request) == opMessage && binary.LittleEndian.Uint32(request[headerLength:])&moreToCome != 0 {
		return nil, nil
	}
	reply, err := readMessage(s.backend)
	if err != nil || change == nil {
		return reply, err
	}
	if kind(reply) == opReply {
		var answer bson.D
		if err := bson.Unmarshal(reply[replyFields:], &answer); err != nil {
			return nil, err
		}
		document, err := bson.Marshal(change(answer))
		if err != nil {
			return nil, err
		}
		return sized(append(append([]byte{}, reply[:replyFields]...), document...)), nil
	}
	flags, answer, rest, err := decode(reply)
	if err != nil {
		return nil, err
	}
	return reencode(reply, flags, change(answer), rest)
}

// known leaves out what FerretDB would refuse: a session's fields everywhere, and users' roles, which it does not have.
func known(command string, body bson.D) bson.D {
	kept := bson.D{}
	for _, field := range body {
		switch {
		case unknown[field.Key]:
		case field.Key == "roles" && command == "createUser":
			kept = append(kept, bson.E{Key: "roles", Value: bson.A{}})
		case field.Key == "roles" && command == "updateUser":
		default:
			kept = append(kept, field)
		}
	}
	return kept
}

func kind(message []byte) uint32 { return binary.LittleEndian.Uint32(message[12:]) }

func readMessage(from io.Reader) ([]byte, error) {
	header := make([]byte, headerLength)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < headerLength || length > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := make([]byte, length)
	copy(message, header)
	_, err := io.ReadFull(from, message[headerLength:])
	return message, err
}

// decode takes an OP_MSG apart: flags, the body of its first section, and whatever comes behind.
func decode(message []byte) (flags uint32, body bson.D, rest []byte, err error) {
	if len(message) < headerLength+10 || message[headerLength+4] != 0 {
		return 0, nil, nil, fmt.Errorf("no body")
	}
	flags = binary.LittleEndian.Uint32(message[headerLength:])
	start := headerLength + 5
	length := int(binary.LittleEndian.Uint32(message[start:]))
	if start+length > len(message) {
		return 0, nil, nil, fmt.Errorf("a body of %d bytes", length)
	}
	err = bson.Unmarshal(message[start:start+length], &body)
	return flags, body, message[start+length:], err
}

// reencode keeps the header's ids.
func reencode(message []byte, flags uint32, body bson.D, rest []byte) ([]byte, error) {
	document, err := bson.Marshal(body)
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, message[:headerLength]...)
	// A checksum would not fit any more, and is optional.
	out = binary.LittleEndian.AppendUint32(out, flags&^1)
	if flags&1 != 0 && len(rest) >= 4 {
		rest = rest[:len(rest)-4]
	}
	out = append(append(append(out, 0), document...), rest...)
	return sized(out), nil
}

// encode makes a message like the given one; without anything behind the body it may also be the answer to it.
func encode(like []byte, flags uint32, body bson.D, rest []byte) ([]byte, error) {
	out, err := reencode(like, flags, body, rest)
	if err == nil && rest == nil {
		// An answer names the request it answers.
		copy(out[8:12], like[4:8])
	}
	return out, err
}

func sized(message []byte) []byte {
	binary.LittleEndian.PutUint32(message, uint32(len(message)))
	return message
}
