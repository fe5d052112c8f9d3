// A page of another origin uses BaasBox's JavaScript SDK: it signs up, signs out and in, and pushes. Prints what came.
const { JSDOM } = require("jsdom");

const page = new JSDOM("", { url: "https://chat.example/" });
global.window = page.window;
global.document = page.window.document;

const BaasBox = require("baasbox").default;
const { ENDPOINT, APPCODE, NAME, PASSWORD, MESSAGE } = process.env;

const failure = request => ({ status: request.status, body: request.responseJSON });

const session = async () => {
  BaasBox.setEndPoint(ENDPOINT);
  BaasBox.appcode = APPCODE;
  const said = {};
  said.signup = await BaasBox.signup(NAME, PASSWORD, { visibleByTheUser: { colour: "green" } });
  said.logout = await BaasBox.logout();
  said.refused = await BaasBox.login(NAME, "not " + PASSWORD).then(null, failure);
  said.login = await BaasBox.login(NAME, PASSWORD);
  said.me = await BaasBox.fetchCurrentUser();
  said.push = await BaasBox.sendPushNotification(JSON.parse(MESSAGE));
  said.nobody = await BaasBox.sendPushNotification({ message: "hi", users: ["nobody"] }).then(null, failure);
  said.unknown = await BaasBox.fetchFollowers(NAME).then(null, failure);
  return said;
};

session().then(
  said => process.stdout.write(JSON.stringify(said)),
  error => {
    process.stderr.write(JSON.stringify(error.status ? failure(error) : error.stack) + "\n");
    process.exitCode = 1;
  },
);
