// One picture of a page with its frames, for the README: node tests/picture.mjs ADDRESS EMAIL PASSWORD FILE
import { context, launch, settled, signIn } from "./browser.mjs";

const [address, email, password, file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node tests/picture.mjs ADDRESS EMAIL PASSWORD FILE");
  process.exit(2);
}
const browser = await launch();
const signedIn = await context(browser, { width: 1280, theme: "light" });
const page = await signedIn.newPage();
await signIn(page, new URL(address).origin, email, password);
await page.goto(address);
await page.waitForSelector("live-mark[data-state=live]");
await settled(page);
await page.screenshot({ path: file });
await browser.close();
console.log(`saved ${file}`);
