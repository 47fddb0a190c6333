//go:build tools

// Names the program this module builds: nats-server, which is measured beside the relay.
package tools

import _ "github.com/nats-io/nats-server/v2"
