export { cacheTeacher, type TeacherProgress } from "./cache-teacher.ts";
export { openTeacherRows, type StoredTeacherRows, type TeacherRowsOptions } from "./open-teacher-rows.ts";
export type { ResponseForm } from "./row-form.ts";
