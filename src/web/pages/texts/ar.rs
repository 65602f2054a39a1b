//! Arabic. What a text is for stands in the struct.

use super::{Counted, Texts};

pub(in crate::web::pages) const ARABIC: Texts = Texts {
    languages: "اللغة",
    continue_button: "متابعة",
    error_prefix: "خطأ:",
    unnamed: "تطبيق بلا اسم",

    sign_in_title: "تسجيل الدخول",
    sign_in_to: "للمتابعة إلى {client}",
    login_id_label: "البريد الإلكتروني أو اسم المستخدم",
    password_label: "كلمة المرور",
    show_password: "إظهار كلمة المرور",
    remember_label: "إبقائي مسجّل الدخول",
    sign_in_button: "تسجيل الدخول",

    second_factor_title: "أكّد هويتك",
    second_factor_lead: "افتح تطبيق المصادقة وأدخل الرمز المكوّن من ستة أرقام الظاهر فيه.",
    code_label: "الرمز",
    code_hint: "لا يمكنك الوصول إلى التطبيق؟ أدخل أحد رموز الاسترداد بدلًا منه.",

    change_title: "اختر كلمة مرور جديدة",
    change_administrative: "طُلب منك تغيير كلمة المرور قبل المتابعة.",
    change_breached: "ظهرت كلمة مرورك في تسريب بيانات في مكان آخر. اختر كلمة أخرى حفاظًا على أمانك.",
    change_expired: "انتهت صلاحية كلمة المرور.",
    change_validation: "كلمة مرورك ليست قوية بما يكفي وفق القواعد الحالية.",
    new_password_label: "كلمة المرور الجديدة",
    confirm_label: "كلمة المرور الجديدة مرة أخرى",
    min_length: "الحد الأدنى لعدد الأحرف: {min}. بضع كلمات متتالية يسهل تذكّرها ويصعب تخمينها.",
    change_button: "تغيير كلمة المرور",

    consent_title: "هل تسمح بالوصول؟",
    consent_lead: "يطلب {client} الوصول إلى حسابك.",
    unverified: "غير موثَّق",
    unverified_text: "لم يتحقق أحد من الجهة التي تقف وراء هذا التطبيق. اسمح له فقط إذا كنت تعرفه وتثق به.",
    registered_by: "مسجَّل من قِبل",
    redirect_to: "يعيدك إلى",
    lifetime: "مدة الوصول",
    scopes_required: "سيتمكن التطبيق من:",
    scopes_optional: "وإذا حددتها، أيضًا من:",
    sensitive: "واسع الأثر",
    allow: "سماح",
    deny: "رفض",
    scope_openid: "معرفة الحساب الخاص بك",
    scope_profile: "الاطلاع على اسمك وتفاصيل ملفك الشخصي",
    scope_email: "الاطلاع على عنوان بريدك الإلكتروني",
    scope_address: "الاطلاع على عنوانك البريدي",
    scope_phone: "الاطلاع على رقم هاتفك",
    scope_offline_access: "الاحتفاظ بالوصول أثناء غيابك",

    device_title: "توصيل جهاز",
    device_lead: "أدخل الرمز الظاهر على جهازك.",
    user_code_label: "الرمز",
    user_code_hint: "بأحرف كبيرة أو صغيرة، مع الشرطة أو دونها.",
    device_confirm_title: "هل تريد توصيل هذا الجهاز؟",
    device_confirm_lead: "يطلب جهاز الوصول إلى حسابك عبر {client}.",
    device_compare: "هل يظهر على جهازك هذا الرمز تمامًا؟",
    device_warning: "تابع فقط إذا بدأت هذا بنفسك. إذا أرسل إليك أحدهم الرمز أو الرابط، فاختر «رفض».",
    device_place: "مصدر الطلب",
    device_asked: "وقت الطلب",
    device_approved_title: "تم توصيل الجهاز",
    device_approved_text: "يمكنك إغلاق هذه الصفحة والمتابعة على جهازك.",
    device_denied_title: "تم رفض الوصول",
    device_denied_text: "لم يحصل الجهاز على أي وصول إلى حسابك. يمكنك إغلاق هذه الصفحة.",
    just_now: "الآن",
    ago: "قبل {length}",

    confirm_logout_title: "هل تريد تسجيل الخروج؟",
    confirm_logout_text: "سيتم تسجيل خروجك من {tenant} في هذا المتصفح.",
    logout_button: "تسجيل الخروج",
    signed_out_title: "تم تسجيل خروجك",
    signed_out_text: "يمكنك إغلاق هذه الصفحة.",
    signed_out_next: "ستتم إعادتك بعد لحظات.",

    setup_title: "إنشاء الحساب الأول",
    setup_lead: "لا يستطيع أحد تسجيل الدخول هنا بعد. يعمل هذا الرابط مرة واحدة.",
    email_label: "البريد الإلكتروني",
    setup_confirm_label: "كلمة المرور مرة أخرى",
    setup_button: "إنشاء الحساب",
    setup_done_title: "تم إنشاء الحساب الأول",
    setup_done_lead: "يمكن لـ {email} تسجيل الدخول من الآن.",
    api_key_label: "مفتاح API",
    api_key_hint: "يمكن إدارة كل شيء بهذا المفتاح. لن يظهر إلا الآن: احفظه بأمان كما تحفظ كلمة المرور.",

    not_registered_title: "لا يمكنك الوصول إلى هذا التطبيق",
    not_registered_text: "لقد سجّلت الدخول، لكن حسابك غير مسجَّل في {client}. اطلب من القائمين عليه إضافتك.",
    error_request_title: "تعذّر إتمام ذلك",
    error_request_text: "عُد إلى التطبيق وحاول مرة أخرى. إذا لم ينجح ذلك، فأخبر القائمين عليه وأعطهم الرقم المرجعي أدناه.",
    error_throttled_title: "محاولات كثيرة جدًا",
    error_throttled_text: "انتظر بضع دقائق، ثم عُد إلى التطبيق وحاول مرة أخرى.",
    error_loop_title: "أنت تدور في حلقة",
    error_loop_text: "توقفنا لأن متصفحك عاد إلى هنا عدة مرات متتالية. على الأرجح أنه يحظر ملفات تعريف الارتباط لهذا \
                      الموقع، أو أن ساعته غير مضبوطة، أو أن عنوان هذا الموقع تغيّر في الطريق. تحقق من ذلك ثم ابدأ من \
                      جديد من التطبيق.",
    error_login_title: "تعذّر تسجيل الدخول",
    error_login_text: "لم يتم تسجيل دخولك ولم يحدث أي شيء آخر. ابدأ من جديد من التطبيق. إذا لم ينجح ذلك، فاسمح بملفات تعريف \
                       الارتباط لهذا الموقع وأعطِ القائمين عليه الرقم المرجعي أدناه.",
    error_again: "حاول مرة أخرى",
    error_unavailable_title: "غير ممكن في الوقت الحالي",
    error_unavailable_text: "هناك خلل من جهتنا، ولا مشكلة في حسابك. انتظر لحظة وحاول مرة أخرى.",
    error_developer: "للمطوّرين",
    error_reference: "الرقم المرجعي",

    form_post_title: "لحظة واحدة",
    form_post_text: "تجري إعادتك إلى التطبيق.",

    wrong_credentials: "البريد الإلكتروني أو اسم المستخدم أو كلمة المرور غير صحيح. تحقق منها وحاول مرة أخرى.",
    throttled: "محاولات كثيرة جدًا. انتظر {seconds} ث وحاول مرة أخرى.",
    locked: "هذا الحساب مقفل. اطلب المساعدة من القائمين على الخدمة.",
    expired: "انتهت صلاحية هذا الحساب. اطلب المساعدة من القائمين على الخدمة.",
    wrong_code: "هذا الرمز غير صحيح أو سبق استخدامه. انتظر الرمز التالي وحاول مرة أخرى.",
    password_too_short: "كلمة المرور هذه قصيرة جدًا. الحد الأدنى لعدد الأحرف: {min}.",
    password_too_long: "كلمة المرور هذه طويلة جدًا.",
    password_too_common: "كلمة المرور هذه سهلة التخمين. اختر كلمة غير شائعة.",
    passwords_differ: "كلمتا المرور غير متطابقتين. اكتبهما مرة أخرى.",
    invalid_email: "هذا ليس عنوان بريد إلكتروني. تحقق منه وحاول مرة أخرى.",
    unknown_user_code: "لا نعرف هذا الرمز أو انتهت صلاحيته. تحقق منه على جهازك وحاول مرة أخرى.",
    form_expired: "بقيت هذه الصفحة مفتوحة مدة طويلة. يُرجى إرسالها مرة أخرى.",
    busy: "لا يمكننا التحقق من ذلك الآن. يُرجى المحاولة بعد لحظات.",

    days: Counted {
        one: "يوم واحد", two: "يومان", few: "{n} أيام", many: "{n} يومًا", other: "{n} يوم"
    },
    hours: Counted {
        one: "ساعة واحدة", two: "ساعتان", few: "{n} ساعات", many: "{n} ساعة", other: "{n} ساعة"
    },
    minutes: Counted {
        one: "دقيقة واحدة", two: "دقيقتين", few: "{n} دقائق", many: "{n} دقيقة", other: "{n} دقيقة"
    },
};
