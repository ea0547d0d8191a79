import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { resolveModelFolder } from "@kd/mllm/node";
import { note } from "./terminal.ts";

const HUB_ID = /^[\w-][\w.-]*\/[\w-][\w.-]*(@[\w-][\w./-]*)?$/;

/** Whether a text may be a model's id on the hub, `org/name` or `org/name@revision`. */
export const isHubId = (text: string): boolean => HUB_ID.test(text);

/** A model's folder, or that of an id of the hub. A misspelt path may look like an id: it is said before the network is asked. */
export async function resolveFolder(folderOrId: string): Promise<string> {
  const there = (await stat(folderOrId).catch(() => undefined))?.isDirectory() ?? false;
  if (!there && isHubId(folderOrId))
    note(`${folderOrId}: no folder ${resolve(folderOrId)}; taken for an id of the hub`);
  return resolveModelFolder(folderOrId);
}
