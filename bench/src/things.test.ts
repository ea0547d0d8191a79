import { expect, it } from "vitest";
import { ourCommand, parseThing, peerCommand } from "./things.ts";

it("gives both sides the same work", () => {
  const step = parseThing("b-dpt");
  expect(ourCommand(step, "off", 2).slice(2)).toEqual(
    "step --config b --dpt --blas off --threads 2 --serve".split(" "),
  );
  expect(ourCommand(step, "engine=tensorflow", 1)).toContain("tensorflow");
  const peer = peerCommand(step, "compile", 2, "python3");
  expect(peer[1]).toMatch(/peers[/\\]step\.py$/);
  expect(peer.slice(2)).toEqual("--config b --dpt --mode compile --threads 2 --serve".split(" "));
  const terms = parseThing("kd-32000");
  expect(ourCommand(terms, "auto", 1).slice(2)).toEqual("kd --vocab 32000 --threads 1 --serve".split(" "));
  expect(peerCommand(terms, "eager", 1, "python3").slice(2)).toEqual("--vocab 32000 --threads 1 --serve".split(" "));
  expect(parseThing("generate").ours).toEqual(["generate"]);
  expect(() => parseThing("d")).toThrow(/--configs: expected a, b, c/);
});
