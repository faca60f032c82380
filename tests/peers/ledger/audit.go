// Audits a ledger from its files alone, with the packages behind Go's own checksum database:
// golang.org/x/mod/sumdb/note and golang.org/x/mod/sumdb/tlog. Ours here is only what those leave
// out: signatures by ECDSA, entry bundles, and which files there are.
//
//	audit VKEY FOLDER [OLDER-CHECKPOINT...]
//
// Every entry, every hash tile, the checkpoint, proofs of inclusion of many entries and, for each
// older checkpoint, that the log only grew. Exit code 0 only if all of it holds.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// ecdsaVerifier is a note.Verifier of type 0x02 (C2SP signed-note).
type ecdsaVerifier struct {
	name string
	hash uint32
	key  *ecdsa.PublicKey
}

func (v *ecdsaVerifier) Name() string    { return v.name }
func (v *ecdsaVerifier) KeyHash() uint32 { return v.hash }
func (v *ecdsaVerifier) Verify(message, signature []byte) bool {
	digest := sha256.Sum256(message)
	return ecdsa.VerifyASN1(v.key, digest[:], signature)
}

func newVerifier(vkey string) (*ecdsaVerifier, error) {
	parts := strings.SplitN(strings.TrimSpace(vkey), "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("vkey: not three parts")
	}
	id, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, fmt.Errorf("vkey: %w", err)
	}
	typed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("vkey: %w", err)
	}
	if len(typed) < 2 || typed[0] != 2 {
		return nil, errors.New("vkey: not of type 2")
	}
	if digest := sha256.Sum256(typed[1:]); uint64(binary.BigEndian.Uint32(digest[:4])) != id {
		return nil, errors.New("vkey: another key id")
	}
	key, err := x509.ParsePKIXPublicKey(typed[1:])
	if err != nil {
		return nil, fmt.Errorf("vkey: %w", err)
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("vkey: not ECDSA")
	}
	return &ecdsaVerifier{parts[0], uint32(id), public}, nil
}

// checkpoint opens a signed checkpoint.
func checkpoint(file string, verifier note.Verifier) (tree tlog.Tree, err error) {
	signed, err := os.ReadFile(file)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tree, fmt.Errorf("%s: %w", file, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("%s: not a checkpoint of this log", file)
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, fmt.Errorf("%s: %w", file, err)
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// path is where a tile stands below the log's folder: C2SP's paths have no height in them, and
// call the level of records "entries".
func path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if rest := strings.TrimPrefix(path, "data/"); rest != path {
		path = "entries/" + rest
	}
	return filepath.Join("tile", filepath.FromSlash(path))
}

// widest leaves out the narrower forms of a partial tile: they belong to smaller trees.
func widest(tiles []tlog.Tile) []tlog.Tile {
	var all []tlog.Tile
	for _, tile := range tiles {
		last := len(all) - 1
		if last >= 0 && all[last].L == tile.L && all[last].N == tile.N {
			all[last] = tile
		} else {
			all = append(all, tile)
		}
	}
	return all
}

// files reads tiles of the log.
type files string

func (f files) Height() int                     { return height }
func (f files) SaveTiles([]tlog.Tile, [][]byte) {}
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), path(tile)))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %d bytes", path(tile), len(data))
		}
		all = append(all, data)
	}
	return all, nil
}

// entries splits a bundle.
func entries(data []byte, count int) ([][]byte, error) {
	var all [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, errors.New("ends within a length")
		}
		length := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < length {
			return nil, errors.New("ends within an entry")
		}
		all = append(all, data[:length])
		data = data[length:]
	}
	if len(all) != count {
		return nil, fmt.Errorf("%d entries, not %d", len(all), count)
	}
	return all, nil
}

type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for at, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		hashes[at] = s[index]
	}
	return hashes, nil
}

func audit(vkey, folder string, older []string) (string, error) {
	verifier, err := newVerifier(vkey)
	if err != nil {
		return "", err
	}
	tree, err := checkpoint(filepath.Join(folder, "checkpoint"), verifier)
	if err != nil {
		return "", err
	}
	expected := map[string]bool{"checkpoint": true}

	// The tree from its entries.
	var hashes stored
	var leaves []tlog.Hash
	bundles := 0
	for start := int64(0); start < tree.N; start += 1 << height {
		tile := tlog.Tile{H: height, L: -1, N: start >> height, W: 1 << height}
		if tree.N-start < 1<<height {
			tile.W = int(tree.N - start)
		}
		data, err := os.ReadFile(filepath.Join(folder, path(tile)))
		if err != nil {
			return "", err
		}
		all, err := entries(data, tile.W)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path(tile), err)
		}
		for _, entry := range all {
			more, err := tlog.StoredHashes(int64(len(leaves)), entry, hashes)
			if err != nil {
				return "", err
			}
			hashes = append(hashes, more...)
			leaves = append(leaves, tlog.RecordHash(entry))
		}
		expected[path(tile)] = true
		bundles++
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return "", err
	}
	if root != tree.Hash {
		return "", fmt.Errorf("the entries have the root %v, the checkpoint has %v", root, tree.Hash)
	}

	// Its tiles are those of that tree.
	tiles := widest(tlog.NewTiles(height, 0, tree.N))
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(folder, path(tile)))
		if err != nil {
			return "", err
		}
		computed, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return "", err
		}
		if !bytes.Equal(data, computed) {
			return "", fmt.Errorf("%s: another tile than the entries have", path(tile))
		}
		expected[path(tile)] = true
	}

	// There is nothing else.
	err = filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if name, err := filepath.Rel(folder, file); err != nil || !expected[name] {
			return fmt.Errorf("%s: not a file of this tree", name)
		}
		return nil
	})
	if err != nil {
		return "", err
	}

	// Proofs from the tiles alone.
	fromTiles := tlog.TileHashReader(tree, files(folder))
	step, inclusions := tree.N/199+1, 0
	for index := int64(0); index < tree.N; index += step {
		proof, err := tlog.ProveRecord(tree.N, index, fromTiles)
		if err != nil {
			return "", err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaves[index]); err != nil {
			return "", fmt.Errorf("entry %d: %w", index, err)
		}
		inclusions++
	}
	for _, file := range older {
		before, err := checkpoint(file, verifier)
		if err != nil {
			return "", err
		}
		proof, err := tlog.ProveTree(tree.N, before.N, fromTiles)
		if err != nil {
			return "", err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	return fmt.Sprintf("%d entries in %d bundles, %d tiles, %d inclusion and %d consistency proofs",
		tree.N, bundles, len(tiles), inclusions, len(older)), nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "audit VKEY FOLDER [OLDER-CHECKPOINT...]")
		os.Exit(2)
	}
	found, err := audit(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(found)
}
