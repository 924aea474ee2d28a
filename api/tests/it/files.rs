//! Files: only for those who may read their message, and never anything that could run.

use ajet_shared::clock;
use ajet_shared::db::attachments::{self, NewAttachment};
use ajet_shared::id::{AttachmentId, ChannelId, UserId};
use ajet_shared::secret::Secret;
use ajet_shared::storage::{Storage, StorageConfig, storage_key};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, text};

/// The store of this test run, with the bucket in it.
async fn store() -> Storage {
    let setting = |name: &str| {
        std::env::var(format!("AJET_TEST_S3_{name}"))
            .expect("an object store; run the tests by `cargo xtask test`")
    };
    let storage = Storage::new(&StorageConfig {
        url: setting("URL"),
        region: setting("REGION"),
        bucket: setting("BUCKET"),
        access_key: setting("ACCESS_KEY"),
        secret_key: Secret::from(setting("SECRET_KEY")),
    });
    storage.ensure_bucket().await.unwrap();
    storage.ensure_bucket().await.unwrap();
    storage
}

/// An upload that hangs on no message yet.
async fn upload(
    app: &App,
    user_id: UserId,
    channel_id: &str,
    filename: &str,
    content_type: &str,
) -> AttachmentId {
    let (id, channel_id): (AttachmentId, ChannelId) =
        (AttachmentId::new(), channel_id.parse().unwrap());
    let key = storage_key(None, channel_id, id.uuid().into(), filename, &[]);
    let file = NewAttachment {
        id,
        channel_id,
        user_id,
        message_id: None,
        filename,
        content_type,
        size_bytes: 5,
        storage_key: &key,
        thumb_key: None,
        pixels: None,
        created_at: clock::now(),
    };
    attachments::insert(&mut app.db.acquire().await.unwrap(), &file).await.unwrap();
    if std::env::var_os("AJET_TEST_S3_URL").is_some() {
        store().await.put(&key, content_type, "bytes".into()).await.unwrap();
    }
    id
}

async fn post(client: &Client, channel_id: &str, files: &[AttachmentId]) -> Value {
    let request =
        json!({ "body_md": "see", "client_msg_id": Uuid::now_v7(), "attachment_ids": files });
    client
        .post(&format!("/api/channels/{channel_id}/messages"), request)
        .await
        .expect(StatusCode::CREATED)
}

#[tokio::test]
async fn a_file_is_for_the_readers_of_its_message() {
    store().await;
    let app = App::start().await;
    let (ann, ben, eve) = (app.user("ann").await, app.user("ben").await, app.user("eve").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let picture = upload(&app, ann.user_id, &general, "a b.png", "image/png").await;
    let page = upload(&app, ann.user_id, &general, "x\"\r\n.html", "text/html").await;
    let url = format!("/files/{picture}/a%20b.png");
    // Before it is posted it is its uploader's own.
    ben.get(&url).await.expect_problem(404, "not-found");
    assert_eq!(ann.get(&url).await.bytes, b"bytes");

    let message = post(&ann, &general, &[page, picture]).await;
    let attachments: Vec<&str> = message["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["url"].as_str().unwrap())
        .collect();
    assert_eq!(attachments[1], url, "in the order of the request");
    let answer = ben.get(&url).await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (StatusCode::OK, b"bytes".as_slice()));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "5"),
        ("content-disposition", "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
    let html = ben.get(attachments[0]).await;
    assert!(
        html.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment; filename=\"x___.html\""),
        "{html:?}"
    );

    let unknown = eve.get(&format!("/files/{}/x", Uuid::now_v7())).await.without_trace();
    assert_eq!(eve.get(&url).await.without_trace(), unknown);
    assert_eq!(app.anonymous().get(&url).await.status, StatusCode::UNAUTHORIZED);
    // Deleted with its message, out of the database and out of the store.
    let key: String = sqlx::query_scalar("SELECT storage_key FROM attachments WHERE id = $1")
        .bind(picture.uuid())
        .fetch_one(&app.db)
        .await
        .unwrap();
    ann.delete(&format!("/api/messages/{}", text(&message["id"])))
        .await
        .expect(StatusCode::NO_CONTENT);
    ben.get(&url).await.expect_problem(404, "not-found");
    let storage = store().await;
    crate::harness::eventually("the file is gone", async || storage.get(&key).await.is_err()).await;
}

#[tokio::test]
async fn only_ones_own_uploads_of_this_channel_go_into_a_message() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let lobby = json!({ "name": "lobby", "visibility": "public" });
    let lobby = text(
        &ann.post(&format!("/api/communities/{id}/channels"), lobby)
            .await
            .expect(StatusCode::CREATED)["id"],
    );
    let (elsewhere, others) = (
        upload(&app, ann.user_id, &lobby, "a", "text/plain").await,
        upload(&app, ben.user_id, &general, "b", "text/plain").await,
    );
    let request = |file: AttachmentId| json!({ "body_md": "x", "client_msg_id": Uuid::now_v7(), "attachment_ids": [file] });
    let path = format!("/api/channels/{general}/messages");
    ann.post(&path, request(elsewhere)).await.expect_problem(422, "validation");
    ann.post(&path, request(others)).await.expect_problem(404, "not-found");
    let eleven: Vec<Uuid> = (0..11).map(|_| Uuid::now_v7()).collect();
    let too_many =
        json!({ "body_md": "x", "client_msg_id": Uuid::now_v7(), "attachment_ids": eleven });
    ann.post(&path, too_many).await.expect_problem(422, "validation");
    let list = ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!(list["items"], json!([]), "nothing was posted");
    ben.post(&path, request(others)).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_store_that_is_away_is_503_and_text_goes_on() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    let file = upload(&app, ann.user_id, &general, "a.png", "image/png").await;
    // Nobody listens on port 9.
    let storeless = app.another(|config| config.s3_url = "http://127.0.0.1:9".to_owned()).await;
    let ann = ann.at(&storeless);
    let started = std::time::Instant::now();
    let answer = ann.get(&format!("/files/{file}/a.png")).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(3));
    assert_eq!(answer.headers["retry-after"], "2");
    answer.expect_problem(503, "unavailable");
    post(&ann, &general, &[file]).await;
}

#[tokio::test]
async fn files_need_no_text() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let path = format!("/api/channels/{general}/messages");
    for body in ["", " \n"] {
        let file = upload(&app, ann.user_id, &general, "plan.txt", "text/plain").await;
        let request =
            json!({ "body_md": body, "client_msg_id": Uuid::now_v7(), "attachment_ids": [file] });
        let posted = ann.post(&path, request.clone()).await.expect(StatusCode::CREATED);
        assert_eq!(
            (&posted["body_md"], &posted["attachments"][0]["id"]),
            (&json!(""), &json!(file))
        );
        assert_eq!(ann.post(&path, request).await.expect(StatusCode::OK)["id"], posted["id"]);
    }
    let (_, created) = app.newest("message.created").await;
    assert_eq!(created["data"]["body_md"], "");
    // Nothing at all is no message.
    let nothing = json!({ "body_md": "", "client_msg_id": Uuid::now_v7(), "attachment_ids": [] });
    ann.post(&path, nothing).await.expect_problem(422, "validation");
    // A text comes with an edit, and cannot go by one.
    let message = format!("/api/messages/{}", text(&created["data"]["id"]));
    let edited = ann.patch(&message, json!({ "body_md": "the plan" })).await.expect(StatusCode::OK);
    assert_eq!(edited["body_md"], "the plan");
    ann.patch(&message, json!({ "body_md": "" })).await.expect_problem(422, "validation");
}
