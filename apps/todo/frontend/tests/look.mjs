/**
 * Walks through the built pages as visitors would, in a real Chromium, on a phone and at a desk, in light and dark, and
 * leaves screenshots in build/screenshots. Fails where something is missing, sticks out at the side, is asked of another
 * host, or is complained about by the browser (the content security policy included).
 * Needs a build (`npm run build`) and chromium; CHROMIUM names it where it is not on the PATH.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { createStandIn } from "./stand-in-api.mjs";

const ROOT = join(import.meta.dirname, "..");
const SERVER = join(ROOT, ".next/standalone");
const SCREENSHOTS = process.env.SCREENSHOTS ?? join(ROOT, "build/screenshots");
const PATIENCE = 60_000;
const WIDTHS = { phone: { width: 375, height: 667 }, desk: { width: 1280, height: 800 } };
const DAY = 86_400_000;
const day = (days) => new Date(Date.now() + days * DAY).toLocaleDateString("sv");

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  return execFileSync("sh", ["-c", "command -v chromium || command -v chromium-browser || command -v google-chrome"], { encoding: "utf8" }).trim();
}

async function startFrontend() {
  assert(existsSync(join(SERVER, "server.js")), "there is no build: npm run build");
  cpSync(join(ROOT, ".next/static"), join(SERVER, ".next/static"), { recursive: true });
  const port = await freePort();
  const environment = { ...process.env, PORT: String(port), HOSTNAME: "127.0.0.1", ENVIRONMENT: "look", NODE_ENV: "production" };
  const child = spawn(process.execPath, ["server.js"], { cwd: SERVER, env: environment, stdio: ["ignore", "ignore", "inherit"] });
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + PATIENCE; ; ) {
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) return { child, url };
    assert(Date.now() < end && child.exitCode === null, "the frontend did not start");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function walk(page, url, name) {
  const tell = (what) => fetch(`${url}/stand-in`, { method: "POST", body: JSON.stringify(what) });
  const button = (label) => page.getByRole("button", { name: label, exact: true });
  const titles = () => page.locator(".todo .title").allTextContents();
  async function shoot(what) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert(wide <= 0, `${what} sticks out by ${wide} pixels`);
    await page.screenshot({ path: join(SCREENSHOTS, `${what}-${name}.png`), fullPage: what !== "deleted" });
  }
  async function titlesAre(...wanted) {
    await page.waitForFunction(
      (all) => JSON.stringify([...document.querySelectorAll(".todo .title")].map((one) => one.textContent)) === all,
      JSON.stringify(wanted),
    );
  }
  async function add(title, due) {
    await page.getByLabel("New todo").fill(title);
    if (due) await page.getByLabel("Due (optional)").fill(due);
    await button("Add").click();
    await page.locator(".todo:not([aria-busy=true])", { hasText: title }).waitFor();
  }

  // A part of the page is missing once, as while a new version rolls out.
  await page.route("**/_next/static/**/*.js*", (route) => route.fulfill({ status: 404, body: "" }), { times: 1 });
  await page.goto(url);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await shoot("sign-in");
  await button("Create an account").click();
  await page.getByLabel("Email").fill(`${name}@example.org`);
  await page.getByLabel("Password").fill("short");
  await button("Create the account").click();
  await page.getByText("A password needs at least 8 characters.").waitFor();
  await shoot("register-refused");
  await page.getByLabel("Password").fill("long enough for this");
  await button("Create the account").click();
  await page.getByText("Nothing to do.").waitFor();
  await shoot("empty");

  await add("Pay the rent", day(-3));
  await add("Call the plumber about the dripping tap in the kitchen, and ask for the price first", day(0));
  await add("Book the train to Zürich", day(1));
  await add("Read a book");
  await add("Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenreinigungsmittel", day(40));
  await button("Edit “Read a book”").click();
  await page.getByLabel("Notes").fill("The long one that lies on the shelf.\nNot before the holidays.");
  await shoot("editing");
  await page.keyboard.press("Tab");
  await button("Save").click();
  await page.getByText("Not before the holidays.").waitFor();
  await page.getByLabel("New todo").focus();
  await shoot("todos");

  await page.getByRole("checkbox", { name: "Book the train to Zürich" }).click();
  await page.locator(".todo", { hasText: "Zürich" }).waitFor({ state: "detached" });
  await page.getByText("All", { exact: true }).click();
  await page.locator(".todo.done").waitFor();
  await shoot("all");
  await page.getByRole("radio", { name: "Open" }).check();
  await page.locator(".todo.done").waitFor({ state: "detached" });

  // By the keyboard, and by the mouse.
  const before = await titles();
  await button(`Move “${before[1]}”`).press("ArrowUp");
  await titlesAre(before[1], before[0], before[2], before[3]);
  const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  assert.equal(focused, `Move “${before[1]}”`);
  const handle = await button(`Move “${before[1]}”`).boundingBox();
  const target = await page.locator(".todo").nth(2).boundingBox();
  await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2);
  await page.mouse.down();
  await page.mouse.move(handle.x + 10, target.y + target.height * 0.5, { steps: 5 });
  await page.mouse.move(handle.x + 10, target.y + target.height * 0.9, { steps: 3 });
  await page.locator(".land-after").waitFor();
  await shoot("dragging");
  await page.mouse.up();
  await titlesAre(before[0], before[2], before[1], before[3]);

  await button("Delete “Pay the rent”").click();
  await titlesAre(before[2], before[1], before[3]);
  await shoot("deleted");
  await button("Undo").click();
  await titlesAre("Pay the rent", before[2], before[1], before[3]);
  await page.reload();
  await titlesAre("Pay the rent", before[2], before[1], before[3]);

  await page.getByText("Let the assistant write them").click();
  await page.getByLabel("Say it in your own words").fill("water the plants, feed the cat");
  await button("Make todos of it").click();
  await page.locator(".note", { hasText: "2 todos were added" }).waitFor();
  await tell({ assistant: false });
  await page.getByLabel("Say it in your own words").fill("feed the dog");
  await button("Make todos of it").click();
  await page.getByText("The assistant is not set up here").waitFor();
  await shoot("no-assistant");
  await tell({ assistant: true });

  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("No todo is like that.").waitFor();
  await shoot("nothing-found");
  await page.getByRole("button", { name: "Show all open todos" }).click();
  await page.locator(".todo").first().waitFor();

  await tell({ away: true });
  await page.getByRole("checkbox", { name: "Pay the rent" }).click();
  await page.getByText("“Pay the rent” is still open.").waitFor();
  await page.getByText("The server can’t be reached.", { exact: true }).waitFor();
  assert((await titles()).includes("Pay the rent"));
  await shoot("away");
  await tell({ away: false });
  await page.getByText("The server can’t be reached.", { exact: true }).waitFor({ state: "detached" });

  await tell({ expire: true });
  await page.getByRole("checkbox", { name: "Pay the rent" }).click();
  await page.getByText("Your session has ended.").waitFor();
  await shoot("expired");
  await page.getByLabel("Password").fill("long enough for this");
  await button("Sign in").click();
  await page.locator(".todo", { hasText: "Pay the rent" }).waitFor();
  await button("Sign out").click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(`${url}/nothing-here`);
  await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  await shoot("not-found");
}

mkdirSync(SCREENSHOTS, { recursive: true });
const { child, url: frontend } = await startFrontend();
const standIn = createStandIn(frontend).listen(0, "127.0.0.1");
await once(standIn, "listening");
const url = `http://127.0.0.1:${standIn.address().port}`;
const browser = await chromium.launch({
  executablePath: findChromium(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  timeout: PATIENCE,
});
try {
  for (const [width, viewport] of Object.entries(WIDTHS)) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport, colorScheme, locale: "en-GB" });
      context.setDefaultTimeout(PATIENCE);
      const page = await context.newPage();
      const complaints = [];
      page.on("console", (line) => ["error", "warning"].includes(line.type()) && complaints.push(line.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("request", (asked) => asked.url().startsWith(url) || complaints.push(`asked ${asked.url()}`));
      await walk(page, url, `${width}-${colorScheme}`);
      // What was refused, or did not answer, is what the walk tries; the browser notes it.
      assert.deepEqual(complaints.filter((line) => !/status of [45]/.test(line)), []);
      await context.close();
      console.log(`${width}, ${colorScheme}: fine`);
    }
  }
} finally {
  await browser.close();
  standIn.closeAllConnections();
  standIn.close();
  child.kill("SIGTERM");
}
