import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "@kd/safetensors/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { resolveModelFolder } from "./index.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
let home: string;
let weights: Buffer;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-hub-"));
  const path = join(home, "w.safetensors");
  await writeSafetensors(path, [["a", { dtype: "F32", shape: [1], data: Float32Array.of(7) }]]);
  weights = await readFile(path);
});
afterAll(() => rm(home, { recursive: true }));

/** A hub with one model of these files, and the addresses it was asked for. */
function hubOf(files: Record<string, string | Buffer>, sha = COMMIT) {
  const asked: string[] = [];
  const oid = (path: string) => Buffer.from(path).toString("hex").padEnd(40, "0").slice(0, 40);
  const entry = (path: string) => ({ type: "file", path, oid: oid(path), size: files[path]?.length });
  const json = (value: unknown) =>
    new Response(JSON.stringify(value), { headers: { "content-type": "application/json" } });
  const fetch = (async (input: string | URL | Request, init?: RequestInit) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    asked.push(pathname);
    if (pathname.startsWith("/api/models/org/name/revision/")) return json({ id: "org/name", _id: "1", sha });
    if (pathname.startsWith("/api/models/org/name/tree/")) return json(Object.keys(files).map(entry));
    if (pathname.startsWith("/api/models/org/name/paths-info/"))
      return json((JSON.parse(init?.body as string) as { paths: string[] }).paths.map(entry));
    const path = pathname.replace(`/org/name/resolve/${COMMIT}/`, "");
    const bytes = Buffer.from(files[path] ?? "");
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get("range") ?? "");
    if (range === null) return new Response(bytes, { headers: { etag: `"${oid(path)}"` } });
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    return new Response(bytes.subarray(from, to + 1), {
      status: 206,
      headers: { etag: `"${oid(path)}"`, "content-range": `bytes ${from}-${to}/${bytes.length}` },
    });
  }) as typeof globalThis.fetch;
  return { fetch, asked };
}

it("gives a folder back as it is, and says what is none", async () => {
  expect(await resolveModelFolder(home)).toBe(home);
  for (const wrong of ["nowhere/at/all", "/no/such/folder", "org/name@../x", "../org/name", "word"])
    await expect(resolveModelFolder(wrong, { cacheDir: home, download: false })).rejects.toThrow(
      /expected a folder or an id/,
    );
});

it("downloads what a model needs into the cache, and takes it from there the next time", async () => {
  const cacheDir = join(home, "cache");
  const files = {
    "config.json": "{}",
    "model.safetensors": weights,
    "pytorch_model.bin": "old",
    "tf_model.h5": "other",
    "onnx/model.onnx": "other",
    "tokenizer.json": "{}",
  };
  const { fetch, asked } = hubOf(files);
  const folder = await resolveModelFolder("org/name", { cacheDir, fetch });
  expect(folder).toBe(join(cacheDir, "models--org--name/snapshots", COMMIT));
  expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
  expect(await readFile(join(cacheDir, "models--org--name/refs/main"), "utf8")).toBe(COMMIT);
  const before = asked.length;
  expect(await resolveModelFolder("org/name", { cacheDir, fetch })).toBe(folder);
  expect(await resolveModelFolder(`org/name@${COMMIT}`, { cacheDir, fetch })).toBe(folder);
  expect(asked.length).toBe(before);
});

it("a snapshot without its weights is not taken for a model", async () => {
  const cacheDir = join(home, "broken");
  const storage = join(cacheDir, "models--org--name");
  await mkdir(join(storage, "refs"), { recursive: true });
  await mkdir(join(storage, "snapshots", COMMIT), { recursive: true });
  await writeFile(join(storage, "refs/main"), COMMIT);
  await writeFile(join(storage, "snapshots", COMMIT, "config.json"), "{}");
  await expect(resolveModelFolder("org/name", { cacheDir, download: false })).rejects.toThrow(/network was not asked/);
  await writeFile(join(storage, "refs/main"), "../../../../etc");
  await expect(resolveModelFolder("org/name", { cacheDir, download: false })).rejects.toMatchObject({
    code: "KD_CONFIG",
  });
});

it("says what it tried and how to go on without a network", async () => {
  const cacheDir = join(home, "offline");
  const fetch = () => Promise.reject(new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND") }));
  const resolved = resolveModelFolder("org/name@v1", { cacheDir, fetch });
  await expect(resolved).rejects.toMatchObject({ code: "KD_CONFIG" });
  await expect(resolveModelFolder("org/name@v1", { cacheDir, fetch })).rejects.toThrow(
    /org\/name@v1: expected a model in the cache .*models--org--name or on the hub, got neither: the network failed: fetch failed \(getaddrinfo ENOTFOUND\); .*"hf download org\/name --revision v1 --local-dir FOLDER"/,
  );
  const missing = async () => new Response('{"error":"Repository not found"}', { status: 404 });
  await expect(resolveModelFolder("org/name", { cacheDir, fetch: missing })).rejects.toThrow(
    /the hub answered 404: .*; check the id/,
  );
});

it.each(["../evil.json", "/etc/evil.json", "a/../../evil.json", "..\\evil.json", "c:evil.json"])(
  "refuses a file named %s, and writes nothing",
  async (path) => {
    const cacheDir = join(home, "evil");
    const { fetch } = hubOf({ "config.json": "{}", [path]: "{}" });
    await expect(resolveModelFolder("org/name", { cacheDir, fetch })).rejects.toThrow(/files inside the model/);
    await expect(readdir(cacheDir)).rejects.toThrow(/ENOENT/);
  },
);

it("refuses a commit that is none", async () => {
  const { fetch } = hubOf({}, "../../x");
  await expect(resolveModelFolder("org/name", { cacheDir: join(home, "c"), fetch })).rejects.toThrow(
    /expected a commit/,
  );
});
