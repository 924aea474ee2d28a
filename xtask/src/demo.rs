//! The people of the demo, who can also sign in at the development provider.

/// Somebody in the demo community.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    /// Id at the development provider.
    pub(crate) id: u64,
    /// Login name there, user name here.
    pub(crate) login: &'static str,
    /// Name.
    pub(crate) name: &'static str,
    /// Role in the demo community.
    pub(crate) role: &'static str,
}

/// All of them. The first is the owner.
pub(crate) const PEOPLE: [Person; 5] = [
    Person { id: 1, login: "ola", name: "Ola Brandt", role: "owner" },
    Person { id: 2, login: "mara", name: "Mara Voss", role: "admin" },
    Person { id: 3, login: "idris", name: "Idris Bekele", role: "member" },
    Person { id: 4, login: "lena", name: "Lena Kowalczyk", role: "member" },
    Person { id: 5, login: "yuki", name: "田辺 ゆき", role: "member" },
];
