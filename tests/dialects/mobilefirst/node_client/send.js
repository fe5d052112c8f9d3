// Sends one message with every setting, then two in bulk, as the library's own manual shows it.
// Arguments: where the service is, the application's id, its appSecret.
"use strict";

const { PushNotifications, Notification, PushMessageBuilder: Builder } = require("ibm-push-notifications");

const [server, application, secret] = process.argv.slice(2);
PushNotifications.overrideServerHost = server;
const service = new PushNotifications(PushNotifications.Region.US_SOUTH, application, secret);

const message = Builder.Message.alert("20% Off Offer for you").url("www.example.org").build();
const target = Builder.Target.platforms([
  Notification.Platform.Apple,
  Notification.Platform.Google,
  Notification.Platform.WebChrome,
]).build();
const apns = Builder.APNs.badge(1)
  .interactiveCategory("Accept")
  .iosActionKey("PUSH_OFFER")
  .sound("sound.mp3")
  .type(Notification.APNsType.DEFAULT)
  .payload({ offer: "20%" })
  .titleLocKey("OFFER")
  .locKey("REPLYTO")
  .launchImage("launchImage1.png")
  .titleLocArgs(["Jenna", "Frank"])
  .locArgs(["Jenna", "Frank"])
  .subtitle("Cloud")
  .title("Offers")
  .attachmentUrl("https://example.org/offer.png")
  .build();
const style = Builder.FCMStyle.type(Notification.FCMStyleTypes.BIGTEXT_NOTIFICATION)
  .text("All of it")
  .title("Big")
  .url("https://example.org/big.png")
  .lines(["one", "two"])
  .build();
const lights = Builder.FCMLights.ledArgb(Notification.FCMLED.BLACK).ledOffMs(1).ledOnMs(1).build();
const fcm = Builder.FCM.collapseKey("ping")
  .interactiveCategory("Accept")
  .delayWhileIdle(true)
  .payload({ offer: "20%" })
  .androidTitle("Offers")
  .priority(Notification.FCMPriority.DEFAULT)
  .sound("sound.mp3")
  .timeToLive(1000.0)
  .icon("bell")
  .sync(true)
  .visibility(Notification.Visibility.PUBLIC)
  .style(style)
  .lights(lights)
  .build();
const chrome = Builder.ChromeWeb.title("Offers").iconUrl("https://example.org/i.png").timeToLive(1.0).build();
const settings = Builder.Settings.apns(apns).fcm(fcm).chromeWeb(chrome).build();

function told(error, response, body) {
  if (error) throw error;
  return { status: response.statusCode, body: JSON.parse(body) };
}

const notification = Notification.message(message).target(target).settings(settings).build();
service.send(notification, (...one) => {
  const single = told(...one);
  service.sendBulk([notification, notification], (...several) => {
    console.log(JSON.stringify({ single, bulk: told(...several) }));
  });
});
