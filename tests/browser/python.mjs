// Programs in Python, with the packages of providers/requirements.txt.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("providers/", import.meta.url));

/** Starts a program of the folder `providers`, and waits for its first line. */
export async function python(program, environment) {
  const running = spawn("python3", [program], {
    cwd: FOLDER,
    env: {
      ...process.env,
      ...environment,
      PYTHONPATH: process.env.PYTHON_PACKAGES,
      PYTHONDONTWRITEBYTECODE: "1",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  await Promise.race([
    once(running.stdout, "readable"),
    once(running, "exit").then(([status]) => {
      throw new Error(`${program} ended with ${status}`);
    }),
  ]);
  return running;
}
