import { expect, it } from "vitest";
import { kd } from "./kd.ts";

it("doctor says what computes, for people and machines", async () => {
  const { code, out, err } = await kd(["doctor", "--json"]);
  expect([code, err]).toEqual([0, ""]);
  expect(JSON.parse(out)).toMatchObject({
    engine: expect.any(String),
    gemm: { provider: expect.any(String) },
    threads: 1,
    simd: expect.any(Boolean),
    memoryLimit: expect.any(Number),
    node: process.version,
    tried: expect.any(Array),
    computes: true,
  });
  expect((await kd(["doctor"])).out).toMatch(/^engine +\w+\nmatrix products/);
});

it("doctor fails where nothing starts, in one line; --verbose adds the stack", async () => {
  const { code, out, err } = await kd(["doctor", "--blas", "/no/such/library.so"]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(/^error KD_BACKEND: .+\n$/);
  expect((await kd(["doctor", "--blas", "/no/such/library.so", "--verbose"])).err).toContain("\n    at ");
});

it.each([
  [["trian"], /unknown command 'trian'\n\(Did you mean train\?\)/],
  [["generate", "x", "--promt", "y"], /Did you mean --prompt\?/],
  [["generate", "x"], /give either --prompt or --prompt-file/],
  [["generate", "x", "--prompt", "y", "--max-new-tokens", "0"], /whole number of at least 1/],
  [["inspect"], /missing required argument 'dir'/],
  [["convert", "x"], /required option '--out/],
  [["convert", "x", "--out", "y", "--dtype", "int8"], /Allowed choices are f32, f16, bf16/],
  [["export", "x", "--out", "y"], /required option '--format/],
  [["generate", "x", "--prompt", "y", "--temperature", "hot"], /a number of at least 0/],
  [["train", "x.json", "--set", "nothing"], /Expected key=value/],
  [["doctor", "--engine", "abacus"], /Allowed choices are auto, wasm/],
] as [string[], RegExp][])("bad usage ends in 2: %j", async (args, text) => {
  const { code, out, err } = await kd(args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toMatch(text);
});

it("environment variables are options: a wrong one is bad usage, and the command line wins", async () => {
  expect(await kd(["doctor"], { env: { KD_THREADS: "many" } })).toMatchObject({ code: 2 });
  expect(JSON.parse((await kd(["doctor", "--json", "--threads", "1"], { env: { KD_THREADS: "2" } })).out).threads).toBe(
    1,
  );
});

it("a path that looks like an id of the hub is said to be taken for one before the network is asked", async () => {
  const { err } = await kd(["inspect", "runs/studnt"], {
    onError: (all, interrupt) => all.includes("\n") && interrupt(),
  });
  expect(err).toMatch(/^runs\/studnt: no folder .*runs.studnt; taken for an id of the hub\n/);
});

it("a missing folder is a failure with its name", async () => {
  expect(await kd(["inspect", "no-such-folder"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("no-such-folder"),
  });
});

it("every command has help with examples", async () => {
  const help = await kd(["--help"]);
  expect(help.code).toBe(0);
  const [, listed = ""] = /\nCommands:\n(.*)\n {2}help /s.exec(help.out) ?? [];
  const commands = [...listed.matchAll(/^ {2}(\w+) /gm)].map((match) => match[1] as string);
  expect(commands).toEqual([
    "doctor",
    "inspect",
    "chat",
    "generate",
    "convert",
    "export",
    "train",
    "cache",
    "report",
    "data",
  ]);
  for (const command of commands) {
    const { code, out } = await kd([command, "--help"]);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`Examples:\\n(.*kd ${command}.*\\n)+`));
  }
}, 60_000);

it("colours only where they are wanted", async () => {
  const colour = "\u001b[";
  expect((await kd(["doctor"])).out).not.toContain(colour); // no terminal
  expect((await kd(["doctor"], { env: { FORCE_COLOR: "1" } })).out).toContain(colour);
  expect((await kd(["doctor"], { env: { FORCE_COLOR: "1", NO_COLOR: "1" } })).out).not.toContain(colour);
});
