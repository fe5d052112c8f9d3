// client sends APNs pushes with golang.org/x/net/http2 and reports what they cost: the reference of transport.py.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"
)

func cpuSeconds() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Sec+used.Stime.Sec) + float64(used.Utime.Usec+used.Stime.Usec)/1e6
}

func main() {
	url := flag.String("url", "https://127.0.0.1:8443", "the stand-in")
	caPath := flag.String("ca", "certs/ca.pem", "PEM file of its certificate authority")
	pushes := flag.Int64("n", 20000, "how many pushes")
	inFlight := flag.Int("c", 1000, "how many at the same time")
	flag.Parse()
	token := os.Getenv("PROVIDER_TOKEN")

	ca, err := os.ReadFile(*caPath)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http2.Transport{
		TLSClientConfig:            &tls.Config{RootCAs: roots},
		StrictMaxConcurrentStreams: true,
	}}
	payload := []byte(os.Getenv("PAYLOAD"))

	var next, delivered atomic.Int64
	var workers sync.WaitGroup
	started, cpu := time.Now(), cpuSeconds()
	for range *inFlight {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := next.Add(1); number <= *pushes; number = next.Add(1) {
				request, _ := http.NewRequest("POST", fmt.Sprintf("%s/3/device/a%063x", *url, number), bytes.NewReader(payload))
				id := fmt.Sprintf("00000000-0000-0000-0000-%012x", number)
				request.Header = http.Header{
					"Authorization": {"bearer " + token}, "Apns-Topic": {"com.example.app"}, "Apns-Push-Type": {"alert"},
					"Apns-Priority": {"10"}, "Apns-Id": {id}, "Apns-Collapse-Id": {id}, "Content-Type": {"application/json"},
				}
				response, err := client.Do(request)
				if err != nil {
					log.Fatal(err)
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode == 200 {
					delivered.Add(1)
				}
			}
		}()
	}
	workers.Wait()
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"delivered": delivered.Load(), "seconds": time.Since(started).Seconds(), "cpu": cpuSeconds() - cpu,
	})
}
