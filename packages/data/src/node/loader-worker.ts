// A worker thread of the loader: opens the sources and the encoder once, then makes batches in the order in which they are asked for.
import { parentPort, workerData } from "node:worker_threads";
import { KdError } from "@kd/contract";
import { encodeBatch } from "./encode-batch.ts";
import { loadEncoder } from "./encoder.ts";
import type { Job, Reply, WorkerStart } from "./loader-messages.ts";
import { openHandle } from "./open-source.ts";
import { transferList } from "./transfer-list.ts";

const { sources: handles, encoder: module, onBadRecord, inHand } = workerData as WorkerStart;
const post = (reply: Reply): void =>
  parentPort?.postMessage(reply, [...transferList("done" in reply ? reply.done.batch : undefined)]);
const fail = (id: number, error: unknown): void =>
  post({
    id,
    failed: {
      code: KdError.is(error) ? error.code : undefined,
      message: KdError.is(error) ? error.message : String(error),
    },
  });

const ready = Promise.all([Promise.all(handles.map(openHandle)), loadEncoder(module)]);
ready.catch((error) => fail(-1, error));

let last: Promise<unknown> = ready;
parentPort?.on("message", ({ id, picks }: Job) => {
  last = last.then(async () => {
    try {
      const [sources, encoder] = await ready;
      const onRecord = (lane: number, position: number): void => void Atomics.store(inHand, lane, position);
      post({ id, done: await encodeBatch(picks, { sources, encoder, onBadRecord, onRecord }) });
    } catch (error) {
      fail(id, error);
    }
  });
  last.catch(() => undefined);
});
