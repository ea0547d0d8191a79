import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { zipSync } from "fflate";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toFloat32 } from "../index.ts";
import { readWeights } from "./index.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-pytorch-"));
});
afterAll(() => rm(home, { recursive: true }));

/** A pickle by hand: texts are instructions' bytes as characters, arrays are lengths and texts of BINUNICODE. */
const unicode = (text: string) => `X${String.fromCharCode(text.length, 0, 0, 0)}${text}`;
const int = (n: number) => `J${String.fromCharCode(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255)}`;
const ints = (...values: number[]) => `(${values.map(int).join("")}t`;
const storage = (type: string, key: string, count: number) =>
  `(${unicode("storage")}ctorch\n${type}\n${unicode(key)}${unicode("cpu")}${int(count)}tQ`;
const tensor = (from: string, offset: number, shape: number[], strides: number[]) =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${from}${int(offset)}${ints(...shape)}${ints(...strides)}\x89ccollections\nOrderedDict\n)Rt` +
  "R";
const dictionary = (items: Record<string, string>) =>
  `\x80\x02}(${Object.entries(items)
    .map(([name, value]) => unicode(name) + value)
    .join("")}u.`;
const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const six = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer);

let files = 0;
async function saved(pickle: string, parts: Record<string, Uint8Array> = { "data/0": six }, level: 0 | 6 = 0) {
  const path = join(home, `${files++}.bin`);
  const entries = Object.entries({ "data.pkl": bytes(pickle), ...parts }).map(([name, data]) => [
    `archive/${name}`,
    data,
  ]);
  await writeFile(path, zipSync(Object.fromEntries(entries), { level }));
  return path;
}
const whole = dictionary({ a: tensor(storage("FloatStorage", "0", 6), 0, [2, 3], [3, 1]) });
const values = async (path: string, name = "a") => [...toFloat32((await readWeights(path)).get(name) ?? expect.fail())];

it("reads tensors in order, transposed, cut out and shared", async () => {
  const s = storage("FloatStorage", "0", 6);
  const path = await saved(
    dictionary({
      a: tensor(s, 0, [2, 3], [3, 1]),
      t: tensor(s, 0, [3, 2], [1, 3]),
      cut: tensor(s, 1, [2, 2], [3, 1]),
      scalar: tensor(s, 4, [], []),
      none: tensor(s, 6, [0, 3], [3, 1]),
      parameter: `ctorch._utils\n_rebuild_parameter\n(${tensor(s, 3, [3], [1])}\x88ccollections\nOrderedDict\n)RtR`,
    }),
  );
  expect(await values(path)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await values(path, "t")).toEqual([0, 3, 1, 4, 2, 5]);
  expect(await values(path, "cut")).toEqual([1, 2, 4, 5]);
  expect(await values(path, "scalar")).toEqual([4]);
  expect(await values(path, "none")).toEqual([]);
  expect(await values(path, "parameter")).toEqual([3, 4, 5]);
});

it("reads shards and the names of an ordered dictionary with metadata", async () => {
  const folder = join(home, "shards");
  await mkdir(folder);
  const ordered = `\x80\x02ccollections\nOrderedDict\n)R(${unicode("a")}${tensor(storage("FloatStorage", "0", 6), 0, [6], [1])}u}${unicode("_metadata")}}sb.`;
  await writeFile(join(folder, "pytorch_model-1.bin"), await readFile(await saved(ordered)));
  await writeFile(
    join(folder, "pytorch_model.bin.index.json"),
    JSON.stringify({ weight_map: { a: "pytorch_model-1.bin" } }),
  );
  expect([...toFloat32((await readWeights(folder)).get("a") ?? expect.fail())]).toEqual([0, 1, 2, 3, 4, 5]);
  await writeFile(join(folder, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: { a: "../1.bin" } }));
  await expect(readWeights(folder)).rejects.toThrow(/expected a file name ending in \.bin/);
});

const self = "]q\x00h\x00a"; // a list that holds itself
it.each([
  ["calls the system", `\x80\x02cposix\nsystem\n(${unicode("true")}tR.`, /calls "posix\.system"/],
  ["calls a builtin by protocol 4", `\x80\x04\x8c\x08builtins\x8c\x04eval\x93.`, /calls "builtins\.eval"/],
  ["uses INST", "\x80\x02(ios\nsystem\n.", /instruction 0x69/],
  ["makes an object", "\x80\x02ccollections\nOrderedDict\n)\x81.", /instruction 0x81/],
  ["calls a dictionary", "\x80\x02}(tR.", /a call that builds a tensor, got one of a dictionary/],
  ["gives an object a state", `\x80\x02ccollections\nOrderedDict\n}b.`, /object with a state/],
  ["is a list", `\x80\x02${self}.`, /dictionary of tensors, got a list/],
  ["calls with a list that holds itself", `\x80\x02${self}(tR.`, /got one of a list/],
  ["holds a number", dictionary({ a: int(3) }), /got 3 for "a"/],
  [
    "has a tensor beyond its storage",
    dictionary({ a: tensor(storage("FloatStorage", "0", 6), 1, [2, 3], [3, 1]) }),
    /inside storage/,
  ],
  [
    "has a tensor of one number again and again",
    dictionary({ a: tensor(storage("FloatStorage", "0", 6), 0, [2 ** 30], [0]) }),
    /inside storage/,
  ],
  [
    "has a storage of another size",
    dictionary({ a: tensor(storage("FloatStorage", "0", 7), 0, [6], [1]) }),
    /"a": expected a storage of 28 bytes, got 24/,
  ],
  [
    "has a storage that is missing",
    dictionary({ a: tensor(storage("FloatStorage", "../1", 6), 0, [6], [1]) }),
    /"archive\/data\/\.\.\/1" in the archive, got none/,
  ],
  ["takes more than it has", "\x80\x02R.", /takes more than it has/],
  ["ends early", "\x80\x02X\xff\xff\xff\x7f", /truncated/],
  ["has a memo too few", "\x80\x02h\x05.", /expected value 5/],
])("a pickle that %s is refused", async (_, pickle, message) => {
  const path = await saved(pickle);
  await expect(readWeights(path)).rejects.toThrow(message);
  await expect(readWeights(path)).rejects.toMatchObject({ code: "KD_WEIGHTS", message: expect.stringContaining(path) });
});

it("says what else a file may be", async () => {
  await expect(readWeights(await saved(whole, { "data/0": six }, 6))).rejects.toThrow(/compressed/);
  await expect(readWeights(await saved(whole, { "data/0": six, byteorder: bytes("big") }))).rejects.toThrow(
    /little-endian/,
  );
  const legacy = join(home, "legacy.bin");
  await writeFile(legacy, bytes("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."));
  await expect(readWeights(legacy)).rejects.toThrow(/PyTorch 1\.6/);
  await writeFile(legacy, bytes("no zip at all"));
  await expect(readWeights(legacy)).rejects.toMatchObject({ code: "KD_WEIGHTS" });
});

it("random damage gives a KdError or tensors, never another error", async () => {
  const good = await readFile(await saved(whole));
  const path = join(home, "damaged.bin");
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(good.length), async (changes, cut) => {
      const bytes = Uint8Array.from(good);
      for (const [at, value] of changes) bytes[at] = value;
      await writeFile(path, cut % 4 === 0 ? bytes.subarray(0, cut) : bytes);
      await readWeights(path).catch((error) => expect(error.code).toMatch(/^KD_(WEIGHTS|SAFETENSORS)$/));
    }),
    { numRuns: 200 },
  );
});
