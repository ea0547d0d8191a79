import { expect, it } from "vitest";
import { startContender } from "./contender.ts";

const worker = (answer: string) =>
  startContender([
    process.execPath,
    "-e",
    `console.log('{"what":"x"}'); require("readline").createInterface(process.stdin).on("line", (n) => ${answer})`,
  ]);

it("asks a process in turn, and ends it", async () => {
  const contender = await worker("console.log(JSON.stringify({ ms: Array(Number(n)).fill(1), loss: 2, peak_mib: 3 }))");
  expect(contender.description.what).toBe("x");
  expect((await contender.ask(3)).ms).toEqual([1, 1, 1]);
  expect((await contender.ask(2)).ms).toEqual([1, 1]);
  contender.stop();
});

it("says which process ended, and how, instead of waiting", async () => {
  const contender = await worker("process.exit(7)");
  await expect(contender.ask(1)).rejects.toThrow(/ended with 7 before it answered/);
  await expect(startContender(["no-such-program"])).rejects.toThrow(/no-such-program/);
});
