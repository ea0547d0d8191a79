import { spawn } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lockRun, take } from "./lock-run.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kd-lock-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

it("refuses a second holder by whatever path, until the first lets go", async () => {
  await symlink(root, `${root}-link`);
  try {
    const release = await lockRun(root);
    await expect(lockRun(`${root}-link`, { patience: 0 })).rejects.toMatchObject({
      code: "KD_CONFIG",
      message: expect.stringContaining("got another process that trains in it"),
    });
    await release();
    await (await lockRun(root, { patience: 0 }))();
  } finally {
    await rm(`${root}-link`);
  }
});

it("takes an address whose process was killed, its socket's file left behind", async () => {
  const address = join(root, "left.sock");
  const listen = `require("node:net").createServer().listen(${JSON.stringify(address)}, () => console.log("holds"))`;
  const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  expect(await take(address)).toBeUndefined();
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
  const release = await take(address);
  expect(release).toBeDefined();
  await release?.();
});
