import { rm, stat } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KdError } from "@kd/contract";

const PATIENCE = 5000; // ms: a process that was killed may take as long to be gone

/**
 * Keeps other processes of this machine out of a run's folder. The lock is a name that the kernel gives up with the process, however that
 * ends: a kill leaves nothing behind that would refuse the resume. Gives back what releases it.
 *
 * @throws KdError `KD_CONFIG` where another process is at work in the folder.
 */
export async function lockRun(
  folder: string,
  { patience = PATIENCE }: { readonly patience?: number } = {},
): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(folder, { bigint: true }); // the same by whatever path it is reached
  const name = `kd-run-${dev}-${ino}`;
  const until = performance.now() + patience;
  for (;;) {
    const release = await take(addressOf(name));
    if (release !== undefined) return release;
    if (performance.now() > until)
      throw new KdError(
        "KD_CONFIG",
        `${folder}: expected to be alone in this run's folder, got another process that trains in it; wait for it, end it or choose another folder`,
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function addressOf(name: string): string {
  if (process.platform === "win32") return `\\\\.\\pipe\\${name}`;
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), `${name}.sock`);
}

/** Undefined where another process has the address. A socket's file that nobody listens at was left by a kill. */
export async function take(address: string): Promise<(() => Promise<void>) | undefined> {
  const server = createServer((socket) => socket.destroy());
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once("error", resolve).listen(address, () => resolve(undefined));
  });
  if (error === undefined) {
    server.unref();
    return () => new Promise((resolve) => server.close(() => resolve()));
  }
  if (error.code !== "EADDRINUSE") return async () => {}; // no sockets here: better a run without a lock than none
  if (!(await isLeft(address))) return undefined;
  await rm(address, { force: true });
  return take(address);
}

function isLeft(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED" && address[0] !== "\0"));
  });
}
