import { join } from "node:path";
import { type Llava, modelHash } from "@kd/mllm";
import { openTeacherRows, type StoredTeacherRows } from "@kd/stages/node";
import { CACHE_FOLDER } from "./cache-folder.ts";

/** The teacher's rows beside the features, computed where they are missing. */
export async function openKeptTeacher(teacher: Llava): Promise<StoredTeacherRows> {
  return openTeacherRows(join(CACHE_FOLDER, "teacher"), { identity: await modelHash(teacher), teacher });
}
