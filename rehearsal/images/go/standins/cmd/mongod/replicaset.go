package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Error codes as mongod has them.
const (
	codeUnauthorized       = 13
	codeAlreadyInitialized = 23
	codeNewConfiguration   = 103
	codeNotYetInitialized  = 94
	codeInternal           = 1
)

type member struct {
	ID   int32  `json:"_id" bson:"_id"`
	Host string `json:"host" bson:"host"`
}

type configuration struct {
	Set     string   `json:"_id" bson:"_id"`
	Version int32    `json:"version" bson:"version"`
	Members []member `json:"members" bson:"members"`
}

// replicaSet is the set of one member, kept in the data folder.
type replicaSet struct {
	name    string
	file    string
	started time.Time
	mutex   sync.Mutex
	config  *configuration
}

func loadReplicaSet(dbpath, name string) (*replicaSet, error) {
	set := &replicaSet{name: name, file: filepath.Join(dbpath, "replica-set.json"), started: time.Now()}
	text, err := os.ReadFile(set.file)
	if errors.Is(err, fs.ErrNotExist) {
		return set, nil
	}
	if err != nil {
		return nil, err
	}
	return set, json.Unmarshal(text, &set.config)
}

// answer replies to the replica set's own commands; nil for any other.
func (s *replicaSet) answer(command string, body bson.D) bson.D {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch command {
	case "replSetInitiate":
		if s.config != nil {
			return failure(codeAlreadyInitialized, "AlreadyInitialized", "already initialized")
		}
		return s.adopt(body)
	case "replSetReconfig":
		return s.adopt(body)
	case "replSetGetConfig":
		if s.config == nil {
			return failure(codeNotYetInitialized, "NotYetInitialized", "no replset config has been received")
		}
		return success(bson.E{Key: "config", Value: s.config})
	case "replSetGetStatus":
		if s.config == nil {
			return failure(codeNotYetInitialized, "NotYetInitialized", "no replset config has been received")
		}
		return s.status()
	}
	return nil
}

func (s *replicaSet) adopt(body bson.D) bson.D {
	var wanted configuration
	raw, err := bson.Marshal(body[0].Value)
	if err == nil {
		err = bson.Unmarshal(raw, &wanted)
	}
	if err != nil {
		return failure(codeNewConfiguration, "NewReplicaSetConfigurationIncompatible", err.Error())
	}
	if wanted.Set != s.name || len(wanted.Members) != 1 {
		return failure(codeNewConfiguration, "NewReplicaSetConfigurationIncompatible",
			fmt.Sprintf("this stand-in is a set %q of one member, not %q of %d", s.name, wanted.Set, len(wanted.Members)))
	}
	if wanted.Version == 0 {
		wanted.Version = 1
	}
	text, err := json.Marshal(wanted)
	if err == nil {
		err = os.WriteFile(s.file, text, 0o600)
	}
	if err != nil {
		return failure(codeInternal, "InternalError", err.Error())
	}
	s.config = &wanted
	return success()
}

func (s *replicaSet) status() bson.D {
	now := time.Now()
	return success(
		bson.E{Key: "set", Value: s.name},
		bson.E{Key: "date", Value: now},
		bson.E{Key: "myState", Value: int32(1)},
		bson.E{Key: "members", Value: bson.A{bson.D{
			{Key: "_id", Value: s.config.Members[0].ID},
			{Key: "name", Value: s.config.Members[0].Host},
			{Key: "health", Value: 1.0},
			{Key: "state", Value: int32(1)},
			{Key: "stateStr", Value: "PRIMARY"},
			{Key: "uptime", Value: int32(now.Sub(s.started).Seconds())},
			{Key: "optimeDate", Value: now},
			{Key: "self", Value: true},
		}}},
	)
}

// describe makes FerretDB's answer to hello that of a member of the set.
func (s *replicaSet) describe(hello bson.D) bson.D {
	if s.name == "" {
		return hello
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	kept := bson.D{}
	primary := s.config != nil
	for _, field := range hello {
		switch field.Key {
		case "isWritablePrimary", "ismaster":
			kept = append(kept, bson.E{Key: field.Key, Value: primary})
		case "setName", "hosts":
		default:
			kept = append(kept, field)
		}
	}
	kept = append(kept, bson.E{Key: "secondary", Value: false})
	if !primary {
		return append(kept, bson.E{Key: "isreplicaset", Value: true})
	}
	host := s.config.Members[0].Host
	return append(kept,
		bson.E{Key: "setName", Value: s.name},
		bson.E{Key: "setVersion", Value: s.config.Version},
		bson.E{Key: "hosts", Value: bson.A{host}},
		bson.E{Key: "primary", Value: host},
		bson.E{Key: "me", Value: host},
	)
}

func success(fields ...bson.E) bson.D { return append(bson.D(fields), bson.E{Key: "ok", Value: 1.0}) }

func failure(code int32, name, message string) bson.D {
	return bson.D{
		{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: message}, {Key: "code", Value: code}, {Key: "codeName", Value: name},
	}
}
