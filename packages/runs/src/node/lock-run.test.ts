import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
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

/** A socket's file whose process was killed. */
async function leftBehind(address: string): Promise<void> {
  const listen = `require("node:net").createServer().listen(${JSON.stringify(address)}, () => console.log("holds"))`;
  const child = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  expect(await take(address)).toBeUndefined();
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

it("takes an address whose process was killed, its socket's file left behind", async () => {
  const address = join(root, "left.sock");
  await leftBehind(address);
  await writeFile(`${address}.taking`, ""); // another takes it, or was killed while it did
  expect(await take(address)).toBeUndefined();
  await utimes(`${address}.taking`, 1, 1);
  expect(await take(address)).toBeUndefined();
  const release = await take(address);
  expect(release).toBeDefined();
  await release?.();
  expect(await readdir(root)).toEqual([]);
});

it("of many that find an address left behind, one takes it", async () => {
  const address = join(root, "left.sock");
  await leftBehind(address);
  const all = await Promise.all(Array.from({ length: 8 }, () => take(address)));
  const held = all.filter((release) => release !== undefined);
  expect(held).toHaveLength(1);
  expect(await take(address)).toBeUndefined();
  await held[0]?.();
});

it("a training that is busy is alone all the same: nobody has to answer", async () => {
  const script = `import { lockRun } from ${JSON.stringify(new URL("../../dist/node/lock-run.js", import.meta.url).href)};
    await lockRun(${JSON.stringify(root)}); console.log("holds"); await new Promise((done) => setTimeout(done, 50)); for (;;);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await new Promise((resolve) => setTimeout(resolve, 100)); // now it is in a step without end
  await expect(lockRun(root, { patience: 300 })).rejects.toMatchObject({ code: "KD_CONFIG" });
  child.kill("SIGKILL");
  await (await lockRun(root))();
});
