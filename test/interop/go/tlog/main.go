// Command tlog is the other side of test/interop/tlog-go.test.ts: the Go checksum database's tree and notes
// (golang.org/x/mod/sumdb/{tlog,note}) read one log and make another of the same leaves.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Proof []string `json:"proof"`
}

type consistency struct {
	OldSize int64    `json:"oldSize"`
	NewSize int64    `json:"newSize"`
	Proof   []string `json:"proof"`
}

type tile struct {
	Level int    `json:"level"`
	Index int64  `json:"index"`
	Width int    `json:"width"`
	Hex   string `json:"hex"`
}

type input struct {
	Leaves      []string      `json:"leaves"`
	VerifierKey string        `json:"verifierKey"`
	Notes       []string      `json:"notes"`
	SignerKey   string        `json:"signerKey"`
	SignTexts   []string      `json:"signTexts"`
	Roots       []string      `json:"roots"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
	Tiles       []tile        `json:"tiles"`
}

type output struct {
	// Index in Notes, and what Go says of it: empty when it accepts.
	Notes []string `json:"notes"`
	// Every disagreement, in words; none is what the test wants.
	Problems []string `json:"problems"`
	// What Go finds itself for the same questions.
	Roots       []string   `json:"roots"`
	Inclusion   [][]string `json:"inclusion"`
	Consistency [][]string `json:"consistency"`
	Signed      []string   `json:"signed"`
	SignedBy    string     `json:"signedBy"`
}

// memory holds hashes in the order of tlog.StoredHashIndex.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(m)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		found[i] = m[index]
	}
	return found, nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hashOf(text string) (h tlog.Hash) {
	data, err := hex.DecodeString(text)
	check(err)
	if len(data) != tlog.HashSize {
		check(fmt.Errorf("%d bytes are no hash", len(data)))
	}
	copy(h[:], data)
	return h
}

func hashesOf(texts []string) []tlog.Hash {
	hashes := []tlog.Hash{}
	for _, text := range texts {
		hashes = append(hashes, hashOf(text))
	}
	return hashes
}

func textsOf(hashes []tlog.Hash) []string {
	texts := []string{}
	for _, h := range hashes {
		texts = append(texts, hex.EncodeToString(h[:]))
	}
	return texts
}

func main() {
	var in input
	check(json.NewDecoder(os.Stdin).Decode(&in))
	out := output{Notes: []string{}, Problems: []string{}, Roots: []string{}, Signed: []string{}}
	out.Inclusion, out.Consistency = [][]string{}, [][]string{}
	problem := func(format string, args ...interface{}) {
		out.Problems = append(out.Problems, fmt.Sprintf(format, args...))
	}

	var store memory
	var roots []tlog.Hash
	for i := 0; i <= len(in.Leaves); i++ {
		root, err := tlog.TreeHash(int64(i), store)
		if i == 0 {
			// tlog.TreeHash gives zeros for the empty tree; RFC 6962 has a hash for it, which the test knows.
			root, err = hashOf(in.Roots[0]), nil
		}
		check(err)
		roots = append(roots, root)
		if i == len(in.Leaves) {
			break
		}
		leaf, err := hex.DecodeString(in.Leaves[i])
		check(err)
		hashes, err := tlog.StoredHashes(int64(i), leaf, store)
		check(err)
		store = append(store, hashes...)
	}
	out.Roots = textsOf(roots)
	for size, root := range in.Roots {
		if hashOf(root) != roots[size] {
			problem("root %d", size)
		}
	}

	for _, one := range in.Inclusion {
		leaf, err := hex.DecodeString(in.Leaves[one.Index])
		check(err)
		err = tlog.CheckRecord(hashesOf(one.Proof), one.Size, roots[one.Size], one.Index, tlog.RecordHash(leaf))
		if err != nil {
			problem("inclusion %d of %d: %v", one.Index, one.Size, err)
		}
		proof, err := tlog.ProveRecord(one.Size, one.Index, store)
		check(err)
		out.Inclusion = append(out.Inclusion, textsOf(proof))
	}
	for _, one := range in.Consistency {
		err := tlog.CheckTree(hashesOf(one.Proof), one.NewSize, roots[one.NewSize], one.OldSize, roots[one.OldSize])
		if err != nil {
			problem("consistency %d to %d: %v", one.OldSize, one.NewSize, err)
		}
		proof, err := tlog.ProveTree(one.NewSize, one.OldSize, store)
		check(err)
		out.Consistency = append(out.Consistency, textsOf(proof))
	}
	for _, one := range in.Tiles {
		t := tlog.Tile{H: 8, L: one.Level, N: one.Index, W: one.Width}
		data, err := tlog.ReadTileData(t, store)
		check(err)
		if hex.EncodeToString(data) != one.Hex {
			problem("tile %s", t.Path())
		}
	}

	verifier, err := note.NewVerifier(in.VerifierKey)
	check(err)
	for _, text := range in.Notes {
		opened, err := note.Open([]byte(text), note.VerifierList(verifier))
		switch {
		case err != nil:
			out.Notes = append(out.Notes, err.Error())
		case !strings.HasPrefix(text, opened.Text):
			out.Notes = append(out.Notes, "another text")
		default:
			out.Notes = append(out.Notes, "")
		}
	}

	signer, err := note.NewSigner(in.SignerKey)
	check(err)
	out.SignedBy = fmt.Sprintf("%s+%08x", signer.Name(), signer.KeyHash())
	for _, text := range in.SignTexts {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		check(err)
		out.Signed = append(out.Signed, string(signed))
	}
	check(json.NewEncoder(os.Stdout).Encode(out))
}
