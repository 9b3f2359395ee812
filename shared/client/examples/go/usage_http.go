// Sends usage events to a sidecar over HTTP. Standard library only; Go 1.19 or newer.
//
// It reads one event per line:
//
//	echo '{"customer": "cus_123", "meter": "api_requests", "value": 3}' | go run usage_http.go http://127.0.0.1:7070
//
// TALLYMAN_TOKEN is sent if it is set. Ends with 1 if an event was refused, and names it.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	batchEvents   = 500
	answerTimeout = 45 * time.Second
	// Must stay well below the consumers' TALLYMAN_DEDUP_WINDOW_MS (one hour): until then a repeated id is recognised.
	giveUpAfter = 10 * time.Minute
	retryBase   = 50 * time.Millisecond
	retryMax    = 5 * time.Second
	answerBytes = 8 << 20
)

// Event is what an application tells of one use. Value and Timestamp are JSON as it was written: digits are kept, and a null is
// not taken for "no value", which counts 1, but is refused by the sidecar.
type Event struct {
	ID         string            `json:"id"`
	Customer   string            `json:"customer"`
	Meter      string            `json:"meter"`
	Value      json.RawMessage   `json:"value,omitempty"`
	Timestamp  json.RawMessage   `json:"timestamp"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Account    string            `json:"account,omitempty"`
}

// Rejection names an event that the sidecar refused, by its place.
type Rejection struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

type answer struct {
	Rejected *[]Rejection `json:"rejected"`
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Sidecar keeps its connections; it may be used by several goroutines.
type Sidecar struct {
	url    string
	token  string
	client http.Client
}

// NewSidecar connects to nothing yet.
func NewSidecar(url, token string) *Sidecar {
	return &Sidecar{strings.TrimRight(url, "/") + "/v1/events", token, http.Client{Timeout: answerTimeout}}
}

// Send returns once each event is durable or refused, with those that were refused; Index is the place in events. After
// an error some of them may be durable: send them again with the same ids.
func (sidecar *Sidecar) Send(events []Event) ([]Rejection, error) {
	for index := range events {
		name(&events[index])
	}
	var refused []Rejection
	for start := 0; start < len(events); start += batchEvents {
		end := start + batchEvents
		if end > len(events) {
			end = len(events)
		}
		rejected, err := sidecar.deliver(events[start:end])
		if err != nil {
			return refused, err
		}
		for _, rejection := range rejected {
			rejection.Index += start
			refused = append(refused, rejection)
		}
	}
	return refused, nil
}

func (sidecar *Sidecar) deliver(batch []Event) ([]Rejection, error) {
	// Made once: every attempt sends the same ids, values and times.
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	giveUpAt := time.Now().Add(giveUpAfter)
	for attempt := 1; ; attempt++ {
		rejected, retryAfter, err := sidecar.post(body)
		if err == nil {
			return rejected, nil
		}
		var final *refusedError
		if errors.As(err, &final) || time.Now().After(giveUpAt) {
			return nil, err
		}
		// The events may be durable or not. Their ids make it harmless to send them again.
		ceiling := retryMax
		if attempt < 7 {
			ceiling = retryBase << attempt
		}
		delay := time.Duration(mathrand.Int63n(int64(ceiling)))
		if delay < retryAfter {
			delay = retryAfter
		}
		time.Sleep(delay)
	}
}

// A refusedError is an answer that another try would not change.
type refusedError struct{ detail string }

func (err *refusedError) Error() string { return err.detail }

func (sidecar *Sidecar) post(body []byte) ([]Rejection, time.Duration, error) {
	request, err := http.NewRequest(http.MethodPost, sidecar.url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, &refusedError{err.Error()}
	}
	request.Header.Set("Content-Type", "application/json")
	if sidecar.token != "" {
		request.Header.Set("Authorization", "Bearer "+sidecar.token)
	}
	response, err := sidecar.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return nil, 0, err
	}
	var said answer
	isAnswer := json.Unmarshal(text, &said) == nil
	status := response.StatusCode
	if (status == http.StatusAccepted || status == http.StatusBadRequest) && isAnswer && said.Rejected != nil {
		return *said.Rejected, 0, nil
	}
	detail := fmt.Sprintf("the sidecar answered %d: %.500s", status, text)
	if status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
		return nil, 0, &refusedError{detail}
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	if seconds > 30 {
		seconds = 30
	}
	return nil, time.Duration(seconds) * time.Second, errors.New(detail)
}

// name gives an event an id and a time of its own, so that a repetition is the same event.
func name(event *Event) {
	if event.ID == "" {
		var random [16]byte
		if _, err := rand.Read(random[:]); err != nil {
			panic(err) // No randomness: no identity, and nothing may be sent.
		}
		event.ID = fmt.Sprintf("%x", random)
	}
	if event.Timestamp == nil {
		ms := time.Now().UnixMilli()
		event.Timestamp = json.RawMessage(fmt.Sprintf("%d.%03d", ms/1000, ms%1000))
	}
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: usage_http http://127.0.0.1:7070 < events, one per line")
	}
	var events []Event
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var event Event
		// A misspelt field would otherwise be lost here, before the sidecar could name it.
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&event); err != nil {
			fail(fmt.Sprintf("line %d: %v", len(events)+1, err))
		}
		events = append(events, event)
	}
	if err := lines.Err(); err != nil {
		fail(err.Error())
	}
	mathrand.Seed(time.Now().UnixNano())
	refused, err := NewSidecar(os.Args[1], os.Getenv("TALLYMAN_TOKEN")).Send(events)
	if err != nil {
		fail(err.Error())
	}
	for _, rejection := range refused {
		fmt.Fprintf(os.Stderr, "refused %s: %s (event %s)\n", rejection.Code, rejection.Message, events[rejection.Index].ID)
	}
	fmt.Printf("%d events are durable\n", len(events)-len(refused))
	if len(refused) > 0 {
		os.Exit(1)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}
