// A CloudFront Function for viewer requests: keys in the thumbnails bucket lack the first folder of
// the path under which the page has them. That the cookies admit the path was seen to before.
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
function handler(event) {
  var request = event.request;
  request.uri = request.uri.replace(/^\/thumbnails\//, "/");
  return request;
}
