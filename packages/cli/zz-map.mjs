// Positional reads against a memory map (koffi) for a batch of 64 entries. node zz-map.mjs

import { fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { toFloat32 } from "@kd/safetensors";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const mmap = libc.func("void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)");
const munmap = libc.func("int munmap(void *addr, size_t length)");
const dir = mkdtempSync("/tmp/ac/map-");
const rss = () => process.memoryUsage().rss / 2 ** 20;
const cpu = (f, n) => {
  f();
  let t = process.cpuUsage();
  for (let i = 0; i < n; i++) f();
  t = process.cpuUsage(t);
  return [
    (t.user / n / 1000).toFixed(2),
    (t.system / n / 1000).toFixed(2),
    ((t.user + t.system) / n / 1000).toFixed(2),
  ];
};
for (const [name, shape, n] of [
  ["paper 729x1152", [729, 1152], 8],
  ["recipe 16x192", [16, 192], 300],
]) {
  const size = shape[0] * shape[1],
    bytes = size * 2,
    B = 64,
    files = 256;
  const fd = openSync(dir + "/f" + size, "w+");
  const one = Buffer.alloc(bytes);
  for (let i = 0; i < size; i++) one.writeUInt16LE(0x3000 + ((i * 7919) % 0x0c00), 2 * i);
  for (let i = 0; i < files; i++) writeSync(fd, one, 0, bytes, i * bytes);
  const total = fstatSync(fd).size;
  const r0 = rss();
  const p = mmap(null, total, 1, 1, fd, 0);
  const view = new Uint8Array(koffi.view(p, total));
  const buffer = Buffer.alloc(bytes);
  const out = new Float32Array(B * size);
  const dtype = "F16";
  const widen = (data, i) => out.set(toFloat32({ dtype, shape, data }), i * size);
  const at = (i) => ((i * 37) % files) * bytes;
  const read = (i) => {
    readSync(fd, buffer, 0, bytes, at(i));
    return buffer;
  };
  const map = (i) => view.subarray(at(i), at(i) + bytes);
  const each = (get, use) => () => {
    for (let i = 0; i < B; i++) use(get(i), i);
  };
  let sum = 0;
  const touch = (d) => {
    for (let i = 0; i < d.length; i += 4096) sum += d[i];
  };
  const rows = [];
  const run = (what, use) => {
    rows.push([what, "read", ...cpu(each(read, use), n)]);
    rows.push([what, "map", ...cpu(each(map, use), n)]);
  };
  run("get the bytes (a touch a page)", touch);
  run("and check (CRC-32)", (d) => {
    sum += crc32(d);
  });
  run("and widen to float32", (d, i) => {
    sum += crc32(d);
    widen(d, i);
  });
  run("get the bytes (a touch a page)", touch);
  run("and check (CRC-32)", (d) => {
    sum += crc32(d);
  });
  run("and widen to float32", (d, i) => {
    sum += crc32(d);
    widen(d, i);
  });
  console.log(
    name,
    "bytes/batch",
    B * bytes,
    "rss before map",
    r0.toFixed(0),
    "after",
    rss().toFixed(0),
    "file MiB",
    (total / 2 ** 20).toFixed(0),
  );
  console.table(rows.map(([a, b, u, s, t]) => ({ what: a, by: b, user: u, system: s, total: t })));
  // a fresh map: faults of first touch
  munmap(p, total);
}
rmSync(dir, { recursive: true });
