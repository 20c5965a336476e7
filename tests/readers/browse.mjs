// Opens a page in a running Chromium and tells what came of it: `node browse.mjs PORT URL PICTURE WIDTH HEIGHT LOOK`.
//
// PORT is where the browser's DevTools answer. LOOK is an expression that is evaluated in the page until it is true and
// the page has been asking for nothing for a while. Printed as JSON: LOOK's value, the page's text, what it complained of
// on its console, and requests that failed. Chromium's own --screenshot does not wait for the workers that decode a COG.
import {writeFileSync} from "node:fs";

const [port, url, picture, width, height, look] = process.argv.slice(2);
const PATIENCE = 40_000;
const QUIET = 1_500;

const answer = await fetch(`http://127.0.0.1:${port}/json/new?about:blank`, {method: "PUT"});
const tab = await answer.json();
const socket = new WebSocket(tab.webSocketDebuggerUrl);
await new Promise((resolve) => socket.addEventListener("open", resolve));

const answers = new Map();
const complaints = [];
const failed = [];
let number = 0;
let lastAsked = Date.now();

function send(method, params = {}) {
    socket.send(JSON.stringify({id: ++number, method, params}));
    return new Promise((resolve) => answers.set(number, resolve));
}

async function value(expression) {
    const {result} = await send("Runtime.evaluate", {expression, returnByValue: true});
    return result.value;
}

socket.addEventListener("message", ({data}) => {
    const {id, method, params, result} = JSON.parse(data);
    if (id) answers.get(id)(result);
    if (method === "Runtime.exceptionThrown") {
        complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) {
        complaints.push(params.args.map((each) => each.value ?? each.description).join(" "));
    }
    if (method === "Network.responseReceived") {
        lastAsked = Date.now();
        if (params.response.status >= 400) failed.push(`${params.response.status} ${params.response.url}`);
    }
});

await send("Runtime.enable");
await send("Network.enable");
const metrics = {width: Number(width), height: Number(height), deviceScaleFactor: 1, mobile: false};
await send("Emulation.setDeviceMetricsOverride", metrics);
await send("Page.navigate", {url});

const deadline = Date.now() + PATIENCE;
let found;
while (Date.now() < deadline && !(found && Date.now() - lastAsked > QUIET)) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    found = await value(look);
}
const {data} = await send("Page.captureScreenshot", {format: "png"});
writeFileSync(picture, Buffer.from(data, "base64"));
const told = {found, text: await value("document.body.innerText"), complaints, failed};
process.stdout.write(JSON.stringify(told));
socket.close();
await fetch(`http://127.0.0.1:${port}/json/close/${tab.id}`);
